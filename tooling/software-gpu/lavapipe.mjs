// Finds the system's lavapipe, Mesa's Vulkan on the CPU.
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/** Where packages of distributions, and then administrators, put ICD files. */
const folders = ['/usr/share/vulkan/icd.d', '/usr/local/share/vulkan/icd.d', '/etc/vulkan/icd.d']

/** @returns {import('./index.mjs').SoftwareVulkan | undefined} */
export function lavapipe() {
  const icd = folders
    .filter((folder) => existsSync(folder))
    .flatMap((folder) => readdirSync(folder).map((name) => join(folder, name)))
    .filter((file) => file.endsWith('.json') && /\/lvp_icd\./.test(file) && !file.includes('i686'))
    .find(newEnough)
  return icd === undefined ? undefined : { source: 'system', icd }
}

/**
 * Mesa 25 announces Vulkan 1.4. Dawn refuses the 1.1 of Mesa 22 ("shaderUniform*ArrayDynamicIndexing required"); what
 * is between is not tried.
 */
function newEnough(/** @type {string} */ icd) {
  const [major = 0, minor = 0] = JSON.parse(readFileSync(icd, 'utf8')).ICD.api_version.split('.').map(Number)
  return major > 1 || minor >= 4
}
