// The table of studies: what each asks, its size when none is given, and what makes its page.
import * as amounts from './amounts.mjs'
import * as drafts from './drafts.mjs'
import * as forgetting from './forgetting.mjs'
import * as forms from './forms.mjs'
import * as hops from './hops.mjs'
import * as irc from './irc.mjs'
import * as peers from './peers.mjs'
import * as rates from './rates.mjs'
import * as recipes from './recipes.mjs'
import * as tables from './tables.mjs'
import * as trees from './trees.mjs'
import * as xquad from './xquad.mjs'

/**
 * What a study is told.
 * @typedef {object} StudyFlags
 * @property {string} data Folder of the public files.
 * @property {string} model GGUF file, or folder of a model.
 * @property {number} questions So many questions of the file, a fifth of them held out.
 * @property {number} epochs
 * @property {number} seed
 * @property {number} maxLength Longest sample, in tokens.
 * @property {string | undefined} drafter GGUF file or folder of the model that drafts questions; absent: the model itself.
 * @property {string | undefined} venv Python environment with torch, transformers and peft.
 */

/**
 * @typedef {object} Study
 * @property {string} title
 * @property {string} about What is asked, in a sentence or two.
 * @property {number} questions Size where none is given.
 * @property {number} epochs
 * @property {(lab: import('../lab.mjs').Lab, flags: StudyFlags) => Promise<string>} run The page's body, in Markdown.
 */

/** @type {Readonly<Record<string, Study>>} */
export const studies = { xquad, forms, trees, drafts, recipes, rates, amounts, forgetting, tables, hops, irc, peers }
