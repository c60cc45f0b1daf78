// The methods of adapting linear layers, and which one a run has. A further method is a file here and an entry.
import { methodName, type LoraConfig, type MethodName } from '../../settings/lora-config'
import { dora } from './dora'
import { loftq } from './loftq'
import { lora } from './lora'
import { isTrained, type AdapterMethod, type ModuleParts, type PartName, type Parts } from './method'
import { olora } from './olora'
import { pissa } from './pissa'

export const methods = { lora, dora, pissa, olora, loftq } satisfies Record<MethodName, AdapterMethod>

/** The method that settings name. @throws ConfigError as {@link methodName} */
export const methodOf = (config: LoraConfig): AdapterMethod => methods[methodName(config)]

/** The method that computes with these tensors of a module. */
export const methodOfParts = (parts: Parts<unknown>): AdapterMethod =>
  parts.magnitude !== undefined ? methods.dora : parts.initialA !== undefined ? methods.pissa : methods.lora

/** The tensors of `parts` with their names, in the order of files and programs. */
export function partsOf<T>(parts: Parts<T>): (readonly [keyof Parts<unknown>, T])[]
export function partsOf<T>(parts: ModuleParts<T>): (readonly [PartName, T])[]
export function partsOf<T>(parts: ModuleParts<T>): (readonly [PartName, T])[] {
  return Object.entries(parts).filter(([, value]) => value !== undefined) as [PartName, T][]
}

/** The shape of a tensor of `length` elements in the low-rank adapter of rank `r` of a module. */
export const partShape = (name: PartName, length: number, r: number): readonly number[] =>
  name === 'magnitude' || name === 'lengths'
    ? [length]
    : name === 'loraA' || name === 'initialA'
      ? [r, length / r]
      : [length / r, r]

/** As `Array.map`, over the tensors of a module. */
export function mapParts<T, U>(parts: Parts<T>, change: (value: T, name: PartName) => U): Parts<U>
export function mapParts<T, U>(parts: ModuleParts<T>, change: (value: T, name: PartName) => U): ModuleParts<U>
export function mapParts<T, U>(parts: ModuleParts<T>, change: (value: T, name: PartName) => U): ModuleParts<U> {
  return Object.fromEntries(partsOf(parts).map(([name, value]) => [name, change(value, name)])) as ModuleParts<U>
}

/** Those of a module's tensors that training changes, or those that it leaves alone. */
export const selectParts = <T>(parts: ModuleParts<T>, trained: boolean): Partial<Record<PartName, T>> =>
  Object.fromEntries(partsOf(parts).filter(([name]) => isTrained(name) === trained))
