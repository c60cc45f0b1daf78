// The error for a device that is not there, or cannot do what is asked of it.

/** No such device here, or one that does not fit; the message names it and what would do. */
export class DeviceError extends Error {
  override readonly name = 'DeviceError'
}
