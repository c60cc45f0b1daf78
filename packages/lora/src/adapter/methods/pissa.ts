// PiSSA (Meng et al. 2024): A and B begin as the largest singular values and vectors of the base weight.
import { principalFactors } from '../singular'
import { fromBase } from './from-base'

export const pissa = fromBase(principalFactors)
