// The headless Chromium of this machine, if it has one.
import { existsSync } from 'node:fs'
import { chromium, type Browser } from 'playwright-core'

/** As tooling/browser has it: CHROMIUM_PATH, else where systems put it. */
const path =
  process.env.CHROMIUM_PATH || ['/usr/bin/chromium', '/usr/bin/google-chrome'].find((file) => existsSync(file))

export const hasChromium = path !== undefined && existsSync(path)
export const needsChromium = 'needs Chromium (CHROMIUM_PATH=/path/to/it)'

export const launch = (): Promise<Browser> => chromium.launch({ executablePath: path!, args: ['--no-sandbox'] })
