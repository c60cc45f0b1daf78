// The model card that `jora train` leaves beside an adapter.

// Whole, as @jora/lora's run-directory.ts writes it, so that a card someone has worked on is not taken for one.
const shape =
  /^---\nlibrary_name: peft\n(?:base_model: .+\n)?tags:\n {2}- lora\n {2}- jora\n---\n\n# LoRA adapter for .+\n\nTrained with JORA: .+\n\n```json\n\{\n(?: .*\n)*\}\n```\n$/

/** Whether it is that card, unchanged: it holds the run's settings with the paths of that machine. */
export const isTrainCard = (text: string): boolean => shape.test(text)
