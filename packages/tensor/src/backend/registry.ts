// The default device: where tensors made without naming a device go.
import { fail } from '../errors'
import type { Device } from './backend'

let current: Device | undefined

/** Makes `device` the one that `tensor()` and programs without inputs use; returns the one before. */
export function setDefaultDevice(device: Device | undefined): Device | undefined {
  const previous = current
  current = device
  return previous
}

/** Of a device that is being closed: it is the default no longer. */
export function forgetDevice(device: Device): void {
  if (current === device) current = undefined
}

/** The default device. Throws when none has been set. */
export function defaultDevice(): Device {
  return current ?? fail('defaultDevice', 'no device is open; call setDefaultDevice(await openCpuDevice()) first')
}

const numbers = new WeakMap<Device, number>()
let count = 0

/** A number of its own for each device, for keys of caches. */
export function deviceNumber(device: Device): number {
  let number = numbers.get(device)
  if (number === undefined) numbers.set(device, (number = ++count))
  return number
}

/** The default device, or undefined when none has been set. */
export const openDefaultDevice = (): Device | undefined => current
