// @jora/tensor/onnx: the CPU backend.
export { openCpuDevice, type CpuDeviceOptions } from './device'
export { openCpuPlan } from './planning'
export { peakMemory } from './process/peak'
export { threadsGiven } from './process/threads-given'
