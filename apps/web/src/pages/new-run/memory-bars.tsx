// What is in the memory of each device, as bars and in numbers.
import type { Estimate } from '@jora/gui/client'
import { api } from '../../api/client'
import { useRequest } from '../../api/use-request'
import { bytes, percent, plural } from '../../format'
import { useCssVar } from '../../ui/css-var'

interface Part {
  readonly name: string
  readonly bytes: number
  readonly fill: 1 | 2 | 3
}

const most = 8

export function MemoryBars({ estimate }: { readonly estimate: Estimate }) {
  const { memory, deviceName, device } = estimate
  const devices = useRequest('devices', () => api.devices()).data?.devices
  const there = devices?.find(({ kind, name }) => kind === device && name === deviceName)?.memoryBytes
  const parts: readonly Part[] = [
    { name: 'the model', bytes: memory.weightBytes, fill: 1 },
    { name: 'what is trained, and its training', bytes: memory.stateBytes, fill: 2 },
    { name: 'what is computed in between', bytes: memory.activationBytes, fill: 3 },
  ]
  const total = memory.totalBytes
  const whole = Math.max(total, there ?? 0, 1)
  return (
    <div className="stack stack-s">
      <h3>Memory {memory.devices > 1 ? 'of each device' : 'of the device'}</h3>
      <ul className="stack stack-s device-bars">
        {Array.from({ length: Math.min(memory.devices, most) }, (_, index) => (
          <li key={index} className="memory-row">
            <span className="small">Device {index}</span>
            <span className="bar" aria-hidden="true">
              {parts.map((part) => (
                <BarPart key={part.name} fill={part.fill} share={part.bytes / whole} />
              ))}
            </span>
            <span className="small num">
              <strong>{bytes(total)}</strong>
              {there !== undefined && (
                <span className="soft">
                  {' '}
                  of {bytes(there)} ({percent(total / there)})
                </span>
              )}
            </span>
          </li>
        ))}
      </ul>
      {memory.devices > most && <p className="soft small">{plural(memory.devices - most, 'more device')}, the same.</p>}
      <ul className="key num">
        {parts.map((part) => (
          <li key={part.name}>
            <span className={`swatch fill-${part.fill}`} aria-hidden="true" />
            {part.name} {bytes(part.bytes)}
          </li>
        ))}
        {memory.checkpointing && <li>activations are recomputed to save memory</li>}
      </ul>
    </div>
  )
}

function BarPart({ fill, share }: { readonly fill: number; readonly share: number }) {
  return <span ref={useCssVar<HTMLSpanElement>('--share', share)} className={`fill-${fill}`} />
}
