// Published formats of questions and instructions, as rows: one table of them.

import { importBabi } from './babi'
import { columnRecords } from './columns'
import type { Convert, ImportOptions, ToRow } from './imported'
import { alpacaRecords, chatRecords, convertRecords, shareGptRecords } from './records'
import { importSquad } from './squad'
import type { CheckOptions } from '../rows/fields'
import { isIrcFile } from './thread-files'
import { importThreads } from './threads'
import { importWikiTableQuestions } from './wikitablequestions'

/** A published format: what of an input it reads, and how that becomes rows. */
export interface ImportFormat {
  /** What it is, in a few words. */
  readonly summary: string
  readonly input: 'a file' | 'a folder' | 'a file or a folder'
  /** Whether it reads the file of a folder that is at this path, which has `/` on every system. */
  readonly reads?: (path: string, options: ImportOptions) => boolean
  /** The files of a folder, as errors and help name them. */
  readonly holds?: string
  /** What it can be told. */
  readonly options: readonly (keyof ImportOptions)[]
  readonly convert: Convert
  /** Of a file of records, how each becomes a row, so that a file of any size can be read. */
  readonly records?: (options: ImportOptions & CheckOptions) => ToRow
  /** Whether a row may still grow by records that come later. */
  readonly grows?: (options: ImportOptions) => boolean
}

/** Every format `jora data import` knows. */
export const importFormats = {
  wikitablequestions: {
    summary: 'questions on tables, the official release',
    input: 'a folder',
    reads: (path, { splitFile }) =>
      /^csv\/.*\.(csv|tsv)$/.test(path) || (splitFile === undefined && /^data\/[^/]*\.tsv$/.test(path)),
    holds: 'data/*.tsv and csv/*/*.csv',
    options: ['splitFile', 'tableFormat'],
    convert: importWikiTableQuestions,
  },
  squad: {
    summary: 'questions on paragraphs: SQuAD 1.1 and 2.0, XQuAD',
    input: 'a file',
    options: ['noAnswer'],
    convert: importSquad,
  },
  babi: {
    summary: 'stories with supporting facts',
    input: 'a file or a folder',
    reads: (path) => /^qa\d+_[^/]*\.txt$/.test(path),
    holds: 'qaN_*.txt',
    options: [],
    convert: importBabi,
  },
  threads: {
    summary: 'whom does a post answer: JSON threads, or annotated IRC logs',
    input: 'a file or a folder',
    reads: isIrcFile,
    holds: '*.ascii.txt (or .raw.txt) and *.annotation.txt',
    options: ['window', 'includeStarts'],
    convert: importThreads,
  },
  alpaca: {
    summary: 'records of instruction, input, output',
    input: 'a file',
    options: [],
    convert: convertRecords(alpacaRecords),
    records: alpacaRecords,
  },
  chat: {
    summary: 'records of messages with role and content',
    input: 'a file',
    options: [],
    convert: convertRecords(chatRecords),
    records: chatRecords,
  },
  sharegpt: {
    summary: 'records of conversations with from and value',
    input: 'a file',
    options: [],
    convert: convertRecords(shareGptRecords),
    records: shareGptRecords,
  },
  jsonl: {
    summary: 'JSON or JSONL records of any keys, by columns',
    input: 'a file',
    options: ['columns'],
    convert: convertRecords(columnRecords),
    records: columnRecords,
    grows: ({ columns }) => columns?.context !== undefined,
  },
} as const satisfies Readonly<Record<string, ImportFormat>>

/** A name of {@link importFormats}. */
export type ImportFormatName = keyof typeof importFormats
