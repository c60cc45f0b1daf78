// The one table of packages: who may import whom, and which files touch Node. The linter's import rules are made from it
// (oxlint.config.mjs), tests show each rule a file that breaks it, and docs/architecture.md explains it.

/**
 * @typedef {object} PackageRules
 * @property {readonly string[]} may Packages of ours that it may import, by their folder's name.
 * @property {readonly string[]} [node] Files, from its `src/`, that may import `node:` modules. Absent: all of them.
 */

/** @type {Readonly<Record<string, PackageRules>>} */
export const packages = {
  tensor: {
    may: [],
    node: [
      'files/**',
      'weights/**',
      'backend-onnx/**',
      'backend-webgpu/index.ts',
      'backend-webgpu/probe.ts',
      'backend-webgpu/device/tuning-file.ts',
    ],
  },
  data: {
    may: [],
    node: [
      'rows/files.ts',
      'import/import-dataset.ts',
      'documents/read-documents.ts',
      'documents/walk.ts',
      'documents/digest.ts',
      'work/kept-file.ts',
      'work/index-file.ts',
      'work/kept-index.ts',
      'work/work-folder.ts',
      'work/raft-work.ts',
      'drafts/cache-file.ts',
    ],
  },
  serve: { may: ['data'] },
  shard: { may: ['tensor'] },
  llama: { may: ['data', 'shard', 'tensor'] },
  lora: { may: ['data', 'llama', 'shard', 'tensor'] },
  'hf-export': { may: ['lora', 'llama', 'tensor'] },
  gui: { may: ['serve', 'lora', 'llama', 'data', 'hf-export', 'shard', 'tensor'] },
}
