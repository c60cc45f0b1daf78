// What a setting is: one entry of the table, from which flags, config files, the server's checks, the page's form and the docs are made.

/** How a page asks for a value. */
export type Control =
  | { readonly kind: 'integer' | 'number' | 'toggle' | 'names' | 'text' }
  | { readonly kind: 'path'; readonly of: 'file' | 'folder' }
  | { readonly kind: 'choice'; readonly options: Readonly<Record<string, string>> }

/**
 * The values a setting can have: `T` in code and JSON, of which `P` is what text becomes. A size, for one, is `12GB` or a
 * number of bytes, and text becomes bytes.
 */
export interface SettingType<T, P extends T = T> {
  /** What stands for the value in help, such as `N`; empty for a switch. */
  readonly placeholder: string
  readonly control: Control
  /** The value that `text` is. @throws Expected when it is none */
  parse(text: string): P
  /** What was expected in the place of `value`; undefined when it is one. */
  problem(value: unknown): string | undefined
  /** As text, which {@link parse} reads back. */
  show(value: T): string
  /** One spelling of the values that mean the same; without it each has one. */
  normal?(value: T): T
  /** One value of two, where a flag is given more than once; without it the last one counts. */
  join?(first: P, second: P): P
}

/** Thrown by a type's `parse`: the message says what would have been right, and completes "expected …". */
export class Expected extends Error {}

/** Headings that settings come under: in `--help`, and on the page. */
export const groups = {
  rows: { heading: 'Model and data', title: 'Rows and prompts' },
  adapter: { heading: 'Adapter', title: 'What is trained: an adapter, or the model itself' },
  optimiser: { heading: 'Optimiser', title: 'Optimiser' },
  batches: { heading: 'Length and batches', title: 'Length and batches' },
  saving: { heading: 'The run', title: 'Measuring and saving' },
  device: { heading: 'The run', title: 'Device' },
} as const
/** A name of {@link groups}. */
export type Group = keyof typeof groups

/** One setting. Its key in the table is its name in code and in run.json. */
export interface Setting<T = unknown, P extends T = T> {
  readonly type: SettingType<T, P>
  /** The value when none is given. Without one the setting is then undefined, and {@link absent} says what that means. */
  readonly fallback?: T
  /** What it means that no value is given, in a word or two, where there is no fallback or it is not the whole truth. */
  readonly absent?: string
  /** Its line of `--help`. */
  readonly help: string
  /** Its name on the page. */
  readonly label: string
  /** What it does, for someone who meets it for the first time, in a sentence or two. */
  readonly about: string
  readonly group: Group
  /** Its name as a flag, in config files and in requests, where it is not the key's own; in camel case. */
  readonly name?: string
  /** Other names of the flag, in kebab case. */
  readonly aliases?: readonly string[]
  /** It decides the course of training: a checkpoint is resumed only with the value it was made with. */
  readonly course?: true
  /** Place among the few settings that the page shows first. */
  readonly basic?: number
  /** Not on the page, nor in its requests. */
  readonly page?: false
  /** A run cannot start without it. */
  readonly required?: true
  /**
   * It is read only where each of these settings has one of the values; `set`: where it is given and not off. Given beside others it
   * would do nothing, and is refused.
   */
  readonly readWith?: Readonly<Record<string, readonly string[] | 'set'>>
}

/** A table of settings, by key. */
export type Settings = Readonly<Record<string, Setting>>

/** A setting's value. */
export type ValueOf<S extends Setting> =
  S['type'] extends SettingType<infer T, infer _P>
    ? S extends { readonly required: true } | { readonly fallback: NonNullable<unknown> }
      ? T
      : T | undefined
    : never

/** The values of a table of settings. */
export type ValuesOf<S extends Settings> = { readonly [K in keyof S]: ValueOf<S[K]> }

/** A setting's name as a flag, in config files and in requests. */
export type NameOf<S extends Settings, K extends keyof S> = S[K] extends { readonly name: infer N extends string }
  ? N
  : K & string
