// Weights as files hold them: GGUF read by range, ggml's blocks packed and unpacked, and what a model's weights come from.

export * from './portable'
export { openGguf, type GgufFile } from './gguf/read'
