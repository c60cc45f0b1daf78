// The error a malformed safetensors file raises, with the reference implementation's name for what is wrong.

/** What kind of fault a safetensors file has. */
export type SafetensorsErrorCode =
  | 'HeaderTooSmall'
  | 'HeaderTooLarge'
  | 'InvalidHeaderLength'
  | 'InvalidHeader'
  | 'InvalidHeaderStart'
  | 'InvalidHeaderDeserialization'
  | 'DuplicateKey'
  | 'TensorInvalidInfo'
  | 'InvalidOffset'
  | 'ValidationOverflow'
  | 'MetadataIncompleteBuffer'

/** A file (or what was to be written to one) breaks a rule of the safetensors format. */
export class SafetensorsError extends Error {
  override readonly name = 'SafetensorsError'
  readonly code: SafetensorsErrorCode
  readonly file: string
  readonly tensor: string | undefined

  constructor(code: SafetensorsErrorCode, file: string, what: string, tensor?: string) {
    super(`safetensors: ${file}${tensor === undefined ? '' : `: tensor ${JSON.stringify(tensor)}`}: ${what}`)
    this.code = code
    this.file = file
    this.tensor = tensor
  }
}
