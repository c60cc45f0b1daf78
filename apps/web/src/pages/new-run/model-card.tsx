// A model to choose: its family, its size, what it needs; or why it cannot be used.
import type { ModelInfo } from '@jora/gui/client'
import { bytes, compact, integer } from '../../format'

const sources: Readonly<Record<ModelInfo['source'], string>> = {
  bundled: 'bundled',
  folder: 'folder',
  cache: 'from the Hub',
}

interface ModelCardProps {
  readonly model: ModelInfo
  readonly chosen: boolean
  readonly onChoose: () => void
}

export function ModelCard({ model, chosen, onChoose }: ModelCardProps) {
  const { name, source, family, parameters, layers, maxPositions, problem } = model
  const facts = [
    family,
    parameters === null ? null : `${compact(parameters)} parameters`,
    layers === null ? null : `${layers} layers`,
    maxPositions === null ? null : `up to ${integer(maxPositions)} tokens`,
  ].filter((fact) => fact !== null)
  return (
    <label className={`card ${problem === null ? '' : 'card-off'}`}>
      <input type="radio" name="model" checked={chosen} disabled={problem !== null} onChange={onChoose} />
      <span className="grow">
        <span className="row row-between">
          <span className="card-title wrap-anywhere">{name}</span>
          <span className="tag">{sources[source]}</span>
        </span>
        <span className="card-text num">{facts.join(' · ')}</span>
        {problem === null && parameters !== null && (
          <span className="card-text num">
            needs {bytes(4 * parameters)} for its weights in 32 bits, {bytes(2 * parameters)} in 16
          </span>
        )}
        {problem !== null && <span className="field-error">{problem}</span>}
      </span>
    </label>
  )
}
