// zod without generated code: it tries `new Function`, which the page's security policy forbids and the console tells.
import { config, z } from 'zod'

config({ jitless: true })

export { z }
