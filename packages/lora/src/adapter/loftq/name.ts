// The name of the file beside an adapter that was started by LoftQ in more than one round.

/** What was taken from the weights before the base was quantised, under PEFT's names of A and B. */
export const loftqFile = 'loftq_base.safetensors'
