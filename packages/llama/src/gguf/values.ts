// Metadata of a GGUF file, read by key with its type checked.
import type { GgufValue, Metadata } from '@jora/tensor/weights'
import { ModelError } from '../config/config'

export class MetadataReader {
  constructor(
    readonly metadata: Metadata,
    /** The file, for errors. */
    readonly source: string,
  ) {}

  fail(key: string, expected: string): never {
    const value = this.metadata.get(key)
    const shown =
      value === undefined
        ? 'missing'
        : value.type === 'array'
          ? `an array of ${value.value.length}`
          : JSON.stringify(String(value.value))
    throw new ModelError(`${this.source}: ${key} is ${shown}; expected ${expected}`)
  }

  #value<T>(key: string, expected: string, pick: (value: GgufValue) => T | undefined): T | undefined {
    const value = this.metadata.get(key)
    return value === undefined ? undefined : (pick(value) ?? this.fail(key, expected))
  }

  number(key: string): number | undefined {
    return this.#value(key, 'a number', ({ value }) =>
      typeof value === 'number' ? value : typeof value === 'bigint' ? Number(value) : undefined,
    )
  }

  string(key: string): string | undefined {
    return this.#value(key, 'a text', ({ value }) => (typeof value === 'string' ? value : undefined))
  }

  boolean(key: string): boolean | undefined {
    return this.#value(key, 'true or false', ({ value }) => (typeof value === 'boolean' ? value : undefined))
  }

  strings(key: string): readonly string[] | undefined {
    return this.#value(key, 'an array of texts', (value) =>
      value.type === 'array' && value.of === 'string' ? (value.value as readonly string[]) : undefined,
    )
  }

  numbers(key: string): readonly number[] | undefined {
    return this.#value(key, 'an array of numbers', (value) =>
      value.type === 'array' && value.value.every((each) => typeof each === 'number')
        ? (value.value as readonly number[])
        : undefined,
    )
  }
}
