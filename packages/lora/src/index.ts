// @jora/lora: LoRA fine-tuning.
export { adamW, clipByGlobalNorm, globalNorm, initAdamW, stepNumbers, type AdamWConfig, type AdamWState } from './optimizer'
