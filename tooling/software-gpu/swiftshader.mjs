// SwiftShader, Google's Vulkan on the CPU, from the npm package of a headless Chromium: needs no root and no system Vulkan.
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { constants } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { extract } from 'tar'

const require = createRequire(import.meta.url)

/** dlopen's "keep it loaded though the handle is closed"; Node has no name for it. */
const RTLD_NODELETE = 0x1000

/** Unpacks the driver where that was not done yet, and loads its Vulkan loader into this process. */
export async function swiftshader() {
  const archive = findArchive()
  if (!archive) return undefined
  const { version } = require(join(archive, '../../package.json'))
  const cache = fileURLToPath(new URL('node_modules/.cache', import.meta.url))
  const folder = join(cache, `swiftshader-${version}`)
  await unpackOnce(archive, folder)
  holdLibrary(join(folder, 'libvulkan.so.1'))
  return /** @type {const} */ ({ source: 'swiftshader', icd: join(folder, 'vk_swiftshader_icd.json') })
}

/** The archive in the package; undefined where its x64 code does not run or a small install left the package out. */
export function findArchive() {
  if (process.platform !== 'linux' || process.arch !== 'x64') return undefined
  try {
    return join(require.resolve('@sparticuz/chromium'), '../../../bin/swiftshader.tar.br')
  } catch {
    return undefined
  }
}

/**
 * By way of a rename: of two processes that unpack at once, the later drops its copy.
 * @param {string} archive
 * @param {string} folder is there whole or not at all
 */
export async function unpackOnce(archive, folder) {
  if (existsSync(folder)) return
  await mkdir(dirname(folder), { recursive: true })
  const fresh = await mkdtemp(`${folder}.`)
  try {
    const wanted = /(libvk_swiftshader\.so|libvulkan\.so\.1|vk_swiftshader_icd\.json)$/
    await extract({
      file: archive,
      cwd: fresh,
      filter: (path) => wanted.test(path),
      preserveOwner: false,
      strict: true,
    })
    await rename(fresh, folder)
  } catch (error) {
    await rm(fresh, { recursive: true, force: true })
    if (!existsSync(folder)) throw error
  }
}

/**
 * Makes a later dlopen("libvulkan.so.1"), such as Dawn's, find this file: the dynamic linker answers a name that is loaded
 * already with what is loaded. `process.dlopen` opens it, then throws because it is no Node addon, and would unload it.
 */
function holdLibrary(/** @type {string} */ file) {
  try {
    process.dlopen({ exports: {} }, file, constants.dlopen.RTLD_NOW | RTLD_NODELETE)
  } catch (error) {
    if (!String(error).includes('did not self-register')) throw error
  }
}
