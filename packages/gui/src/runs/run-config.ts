// Settings of a run as the config file that `jora train --config` reads.
import { kebab } from '@jora/lora/settings'
import type { RunSettings } from '../api'

/** YAML, a key a line; JSON values are YAML too. */
export function configText(settings: RunSettings, outputDir: string): string {
  const lines = Object.entries({ ...settings, outputDir }).flatMap(([key, value]) =>
    value === undefined || value === null ? [] : [`${kebab(key)}: ${JSON.stringify(value)}`],
  )
  return `# jora train --config config.yaml\n${lines.join('\n')}\n`
}
