// How many devices work together: the model can be split over some, the rows of a batch over others.
import type { MeshPicture } from '@jora/gui/client'
import type { DraftAction } from '../../settings/draft'
import { Field } from '../../ui/field'

const rowSplits = [1, 2, 4, 8]

interface MeshPickerProps {
  readonly mesh: MeshPicture
  readonly onChange: (action: DraftAction) => void
}

export function MeshPicker({ mesh, onChange }: MeshPickerProps) {
  const set = (data: number, model: number) =>
    onChange({ type: 'set', key: 'mesh', text: `data=${data},model=${model}`, fallback: 'data=1,model=1' })
  const options = (counts: readonly number[], now: number) =>
    [...new Set([...counts, now])]
      .sort((a, b) => a - b)
      .map((count) => (
        <option key={count} value={count}>
          {count === 1 ? '1 device' : `${count} devices`}
        </option>
      ))
  return (
    <div className="columns">
      <Field label="Split the model over" hint="Each device holds a part of every layer: for models too large for one.">
        {(control) => (
          <select
            {...control}
            className="input"
            value={mesh.model}
            onChange={(event) => set(mesh.data, Number(event.target.value))}
          >
            {options([1, ...mesh.modelSplits], mesh.model)}
          </select>
        )}
      </Field>
      <Field
        label="Split the rows over"
        hint="Each device computes its share of a batch, with the whole model: for speed."
      >
        {(control) => (
          <select
            {...control}
            className="input"
            value={mesh.data}
            onChange={(event) => set(Number(event.target.value), mesh.model)}
          >
            {options(rowSplits, mesh.data)}
          </select>
        )}
      </Field>
    </div>
  )
}
