// Tells zod not to compile its checks at run time: the page's security policy forbids that, and trying is an error in the
// console. Imported before any schema.
import { config } from 'zod'

config({ jitless: true })
