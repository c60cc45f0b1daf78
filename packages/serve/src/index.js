// @jora/serve: Answerers in, a fetch handler out that speaks OpenAI's HTTP.
export { createServe } from './app'
export { checkRequest, isLoopback, ownNames } from './guard'
export { listen, ListenError } from './listen'
