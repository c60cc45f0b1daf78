// The one client of the page.
import { JoraClient } from '@jora/gui/client'

export const api = new JoraClient()
