// Which part of each weight is on which device: a table whose cells are drawn.
import type { MeshPicture as Mesh } from '@jora/gui/client'
import { bytes, integer, plural } from '../../format'

type Device = Mesh['devices'][number]
type Part = Device['parts'][number]

export function MeshPicture({ mesh }: { readonly mesh: Mesh }) {
  const { devices, layers, data, model } = mesh
  const rows = devices[0]?.parts ?? []
  const places: readonly (readonly [Part['place'], string])[] = [
    ['before', 'Before the layers'],
    ['layer', `In each of ${plural(layers, 'layer')}`],
    ['after', 'After the layers'],
  ]
  return (
    <details open={devices.length > 1}>
      <summary>What lies on {devices.length === 1 ? 'the device' : `which of the ${devices.length} devices`}</summary>
      <div className="scroll-x" tabIndex={0} role="region" aria-label="Parts of the model by device">
        <table className="table mesh">
          <thead>
            <tr>
              <th scope="col">Part</th>
              {devices.map(({ index, at, weightBytes }) => (
                <th key={index} scope="col">
                  Device {index}
                  <span className="mesh-about">
                    {data > 1 && `rows ${at.data + 1} of ${data}, `}
                    {model > 1 && `part ${at.model + 1} of ${model}, `}
                    {bytes(weightBytes)}
                  </span>
                </th>
              ))}
            </tr>
          </thead>
          {places.map(([place, title]) => {
            const own = rows.flatMap((part, i) => (part.place === place ? [{ part, i }] : []))
            return (
              own.length > 0 && (
                <tbody key={place}>
                  <tr>
                    <th scope="rowgroup" colSpan={devices.length + 1} className="mesh-place">
                      {title}
                    </th>
                  </tr>
                  {own.map(({ part, i }) => (
                    <tr key={part.module}>
                      <th scope="row">
                        <code>{part.module}</code>
                        <span className="mesh-about">{part.shape.map(integer).join(' × ')}</span>
                      </th>
                      {devices.map((device) => (
                        <MeshCell key={device.index} part={device.parts[i]} />
                      ))}
                    </tr>
                  ))}
                </tbody>
              )
            )
          })}
        </table>
      </div>
    </details>
  )
}

function MeshCell({ part }: { readonly part: Part | undefined }) {
  if (part === undefined) return <td>–</td>
  const { split, from, to, of } = part
  const [start, share] = split === 'none' || of === 0 ? [0, 1] : [from / of, (to - from) / of]
  // A weight is rows × columns: rows are split from top to bottom, columns from left to right.
  const box =
    split === 'rows'
      ? { x: 0, y: 24 * start, width: 48, height: 24 * share }
      : { x: 48 * start, y: 0, width: 48 * share, height: 24 }
  return (
    <td>
      <span className="mesh-cell">
        <svg className="mesh-box" viewBox="0 0 48 24" aria-hidden="true">
          <rect className="mesh-whole" width="48" height="24" rx="2" />
          <rect className={split === 'none' ? 'mesh-all' : 'mesh-part'} {...box} rx="2" />
        </svg>
        <span className="num">{split === 'none' ? 'all' : `${split} ${integer(from)}–${integer(to - 1)}`}</span>
      </span>
    </td>
  )
}
