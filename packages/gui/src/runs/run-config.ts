// Settings of a run as the config file that `jora train --config` reads.
import type { RunSettings } from '../api'

const kebab = (name: string): string => name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)

/** YAML, a key a line; JSON values are YAML too. `shuffle` is written as the flag is spelled. */
export function configText(settings: RunSettings, outputDir: string): string {
  const lines = Object.entries({ ...settings, outputDir }).flatMap(([key, value]) => {
    if (value === undefined || value === null) return []
    if (key === 'shuffle') return value === false ? ['no-shuffle: true'] : []
    if (key === 'targetModules') return [`target-modules: ${JSON.stringify((value as string[]).join(','))}`]
    return [`${kebab(key)}: ${JSON.stringify(value)}`]
  })
  return `# jora train --config config.yaml\n${lines.join('\n')}\n`
}
