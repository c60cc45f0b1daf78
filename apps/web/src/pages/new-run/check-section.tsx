// What the run will take, before it starts: steps, time, memory, devices, warnings; and Start.
import { useState } from 'react'
import type { Estimate, RunSettings } from '@jora/gui/client'
import { api } from '../../api/client'
import { learn } from '../../api/store'
import { useAction, type Requested } from '../../api/use-request'
import { compact, duration, integer } from '../../format'
import type { Draft, DraftAction } from '../../settings/draft'
import { navigate, to } from '../../shell/router'
import { Field } from '../../ui/field'
import { Icon } from '../../ui/icon'
import { Notice } from '../../ui/notice'
import { Problem } from '../../ui/problem'
import { emptyDraft } from '../../settings/draft'
import { keepDraft } from './kept-draft'
import { MemoryBars } from './memory-bars'
import { MeshPicker } from './mesh-picker'
import { MeshPicture } from './mesh-picture'
import { Section, type SectionStatus } from './section'

interface CheckSectionProps {
  readonly draft: Draft
  /** Why the data cannot be used; undefined when nothing is known against it. */
  readonly faults: string | undefined
  readonly settings: RunSettings | undefined
  /** Something above is marked as wrong: a run would be refused. */
  readonly wrong: boolean
  readonly estimate: Requested<Estimate>
  readonly status: SectionStatus
  readonly onChange: (action: DraftAction) => void
  /** What the server refused when the run was to be started. */
  readonly onRefused: (error: Error | undefined) => void
}

export function CheckSection(props: CheckSectionProps) {
  const { draft, faults, settings, wrong, estimate, status, onChange, onRefused } = props
  const { busy, error, run } = useAction()
  const [name, setName] = useState(draft.name)
  const start = () =>
    run(async () => {
      onRefused(undefined)
      try {
        const title = name.trim()
        const created = await api.createRun({
          kind: 'train',
          settings: settings!,
          ...(title !== '' && { name: title }),
        })
        learn({ run: created })
        keepDraft({ ...emptyDraft, model: draft.model })
        navigate(to.run(created.id))
      } catch (reason) {
        onRefused(reason as Error)
        throw reason
      }
    })
  const known = settings === undefined || faults !== undefined ? undefined : estimate.data
  return (
    <Section id="check" number={4} title="Check and start" status={status}>
      {settings === undefined && (
        <p className="soft">
          {draft.model === undefined
            ? 'Choose a model first.'
            : draft.dataset === undefined
              ? 'Choose the data first.'
              : 'Correct the settings marked above.'}{' '}
          Then memory, steps and time are worked out here.
        </p>
      )}
      {settings !== undefined && faults === undefined && estimate.error && (
        <Problem what="The memory and time could not be estimated" error={estimate.error} again={estimate.again} />
      )}
      {settings !== undefined && known === undefined && estimate.busy && <p className="soft">Estimating …</p>}
      {known && (
        <div className="stack" aria-busy={estimate.busy}>
          <dl className="facts facts-large">
            <div>
              <dt>Steps</dt>
              <dd>{integer(known.steps)}</dd>
            </div>
            <div>
              <dt>Time, at least</dt>
              <dd>{known.seconds === null ? 'not known' : duration(known.seconds)}</dd>
            </div>
            <div>
              <dt>Tokens a pass</dt>
              <dd>{compact(known.tokens)}</dd>
            </div>
            <div>
              <dt>Longest sample</dt>
              <dd>{integer(known.longestTokens)}</dd>
            </div>
            <div>
              <dt>Device</dt>
              <dd className="fact-text">{known.deviceName}</dd>
            </div>
          </dl>
          {known.memory.fits === false && (
            <Notice tone="warn" title="This will not fit into the memory of the device">
              <p>
                Make the batch size or the longest sample smaller, recompute activations, or choose a smaller model.
              </p>
            </Notice>
          )}
          {known.notes.length > 0 && (
            <ul className="notes">
              {known.notes.map((note) => (
                <li key={note}>
                  <Icon name="info" />
                  {note}
                </li>
              ))}
            </ul>
          )}
          <MemoryBars estimate={known} />
          <MeshPicker mesh={known.mesh} onChange={onChange} />
          <MeshPicture mesh={known.mesh} />
        </div>
      )}
      {faults !== undefined && <Notice tone="warn" title={`The data cannot be trained on yet: ${faults}.`} />}
      <div className="start">
        <Field label="Name of the run" hint="Its folder has the same name. Empty: the time.">
          {(control) => (
            <input
              {...control}
              className="input"
              value={name}
              maxLength={80}
              placeholder="my first model"
              onChange={(event) => setName(event.target.value)}
              onBlur={() => onChange({ type: 'name', name })}
            />
          )}
        </Field>
        <button
          type="button"
          className="button button-primary button-large"
          disabled={busy || settings === undefined || faults !== undefined || wrong}
          onClick={start}
        >
          <Icon name="play" />
          {busy ? 'Starting …' : 'Start'}
        </button>
      </div>
      {error && <Problem what="The run could not be started" error={error} />}
    </Section>
  )
}
