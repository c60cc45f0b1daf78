// A piece of a row's text: tokenised apart from its neighbours, and learned or not.

export interface Segment {
  readonly text: string
  readonly learned: boolean
  /** The model stops after it: EOS follows, unless the text itself spells it. */
  readonly ends?: boolean
}
