// @jora/serve: Answerers in, a fetch handler out that speaks OpenAI's HTTP.
export { createServe, type RequestRecord, type ServeOptions } from './app'
export { checkRequest, isLoopback, ownNames, type Refusal, type RequestHeaders } from './guard'
export { listen, ListenError, type Listening } from './listen'
export type { ServedModel } from './models'
