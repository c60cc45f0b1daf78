#!/usr/bin/env node
// The `jora` executable: a stable path that checks the ground it is on and hands over to the built command line.
import { existsSync } from 'node:fs'

const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
if (major < 20 || (major === 20 && minor < 19)) {
  console.error(`jora needs Node 20.19 or newer; this is ${process.versions.node}.`)
  process.exit(1)
}

const main = new URL('../dist/main.js', import.meta.url)
if (!existsSync(main)) {
  console.error('jora is not built yet. In the repository, run: npm run build')
  process.exit(1)
}

await import(main.href)
