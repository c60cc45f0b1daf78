// The table of losses of preferences: DPO, ORPO and KTO, as TRL computes them. Another is an entry.
import { add, div, exp, log, maximum, mul, neg, sigmoid, stopGradient, sub, sum } from '@jora/tensor'
import { logSigmoid, ratios, sumOf } from './math'
import type { Preference, PreferenceName } from './objective'

/** Direct preference optimisation (Rafailov et al. 2023): −log σ(β·(ratio of the chosen − ratio of the rejected)). */
const dpo: Preference = {
  hasReference: true,
  learnsPrompts: false,
  loss(batch, beta) {
    const { first, second } = ratios(batch)
    return sumOf(neg(logSigmoid(mul(sub(first, second), beta))), batch)
  },
  margin(batch, beta) {
    const { first, second } = ratios(batch)
    return mul(sub(first, second), beta)
  },
}

/** Where an answer is as good as certain, 1 − p keeps this much. */
const least = 1e-9

/**
 * Odds-ratio preference optimisation (Hong et al. 2024): the loss of prompt and chosen answer, a mean over the batch's tokens,
 * less β·log σ of the log odds ratio of both answers, whose log-probabilities are means over their tokens.
 */
const orpo: Preference = {
  hasReference: false,
  learnsPrompts: true,
  loss(batch, beta) {
    const { policy, tokens, prompt, signs } = batch
    const count = sum(mul(signs, signs))
    const learned = add(sum(prompt.tokens), sum(tokens.first))
    const likelihood = neg(div(add(sum(prompt.logps), sum(policy.first)), learned))
    return sub(mul(likelihood, count), mul(sumOf(logSigmoid(orpo.margin(batch, beta)), batch), beta))
  },
  margin({ policy, tokens }) {
    const [first, second] = [div(policy.first, maximum(tokens.first, 1)), div(policy.second, maximum(tokens.second, 1))]
    const rest = (p: typeof first) => log(maximum(sub(1, exp(p)), least))
    return sub(sub(first, second), sub(rest(first), rest(second)))
  },
}

/**
 * Kahneman–Tversky optimisation (Ethayarajh et al. 2024): 1 − σ(±β·(ratio − z)), where z, at least 0, is the mean ratio of the
 * answers of other prompts, taken for a constant.
 */
const kto: Preference = {
  hasReference: true,
  learnsPrompts: false,
  loss(batch, beta) {
    const value = sigmoid(mul(mul(kto.margin(batch, 1), batch.signs), beta))
    return sumOf(sub(1, value), batch)
  },
  margin(batch, beta) {
    const { first, second } = ratios(batch)
    const count = maximum(sum(mul(batch.signs, batch.signs)), 1)
    const z = stopGradient(maximum(div(sumOf(second, batch), count), 0))
    return mul(sub(first, z), beta)
  },
}

/** Every loss of preferences, by its name. */
export const preferences: Readonly<Record<PreferenceName, Preference>> = { dpo, orpo, kto }
