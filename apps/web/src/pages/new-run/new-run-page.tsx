// A new run on one page: model, data, settings, check; filled in any order, checked as it is typed.
import { useEffect, useMemo, useReducer, useState } from 'react'
import { ApiError, type Inspection, type RunSettings, type SettingsDefaults } from '@jora/gui/client'
import { api } from '../../api/client'
import { useRequest, type Requested } from '../../api/use-request'
import { lastPart, plural } from '../../format'
import { draftOf, draftReducer, parseDraft, type Draft } from '../../settings/draft'
import { settingKeys, type SettingKey } from '../../settings/fields'
import { PageTitle } from '../../shell/page-title'
import { useSession } from '../../shell/session'
import { Problem } from '../../ui/problem'
import { CheckSection } from './check-section'
import { DataSection } from './data-section'
import { keepDraft, keptDraft } from './kept-draft'
import { ModelSection } from './model-section'
import type { SectionId, SectionStatus } from './section'
import { SettingsSection } from './settings-section'
import { Summary } from './summary'

export default function NewRunPage({ from }: { readonly from: string | undefined }) {
  const session = useSession()
  const source = useRequest(from, () => api.run(from!))
  const defaults = session.data?.defaults
  const ready =
    defaults !== undefined && (from === undefined || source.data !== undefined || source.error !== undefined)
  return (
    <>
      <div className="stack stack-s">
        <PageTitle title="New run" />
        <p className="soft">Fill in the parts in any order. Nothing starts before you press Start.</p>
      </div>
      {session.error && <Problem what="The settings could not be read" error={session.error} again={session.again} />}
      {source.error && <Problem what="The settings of that run could not be read" error={source.error} />}
      {ready ? (
        <NewRunForm defaults={defaults} copied={source.data?.settings ?? undefined} />
      ) : (
        !session.error && <p className="soft">Loading …</p>
      )}
    </>
  )
}

interface NewRunFormProps {
  readonly defaults: SettingsDefaults
  readonly copied: RunSettings | undefined
}

function NewRunForm({ defaults, copied }: NewRunFormProps) {
  const [draft, change] = useReducer(draftReducer, undefined, (): Draft =>
    copied === undefined ? keptDraft() : draftOf(copied, defaults),
  )
  useEffect(() => keepDraft(draft), [draft])
  const parsed = useMemo(() => parseDraft(draft), [draft])
  const columns = draft.typed.columns?.trim() || undefined
  const inspection = useRequest(
    draft.dataset && JSON.stringify([draft.dataset, columns]),
    (signal) => api.inspect(draft.dataset!, 3, signal, columns),
    300,
  )
  const faults = faultsOf(inspection.data?.path === draft.dataset ? inspection : undefined)
  // Rows that cannot be used would fail again, with fewer words.
  const key = parsed.settings && faults === undefined ? JSON.stringify(parsed.settings) : undefined
  const estimate = useRequest(key, (signal) => api.estimate(parsed.settings!, signal), 500)
  const [refused, setRefused] = useState<Error>()
  // What was refused is history once something else is asked for.
  useEffect(() => setRefused(undefined), [key])
  const errors = useMemo(
    () => ({ ...issuesOf(estimate.error), ...issuesOf(refused), ...parsed.errors }),
    [estimate.error, refused, parsed.errors],
  )
  const wrong = Object.keys(errors).length
  const changed = Object.keys(draft.typed).length
  const status: Record<SectionId, SectionStatus> = {
    model: { ready: draft.model !== undefined, text: draft.model === undefined ? 'not chosen' : lastPart(draft.model) },
    data: {
      ready: draft.dataset !== undefined && faults === undefined,
      text: draft.dataset === undefined ? 'not chosen' : (faults ?? lastPart(draft.dataset)),
    },
    settings: {
      ready: wrong === 0,
      text: wrong > 0 ? `${wrong} to correct` : changed === 0 ? 'defaults' : `${plural(changed, 'change')}`,
    },
    check: {
      ready: estimate.data !== undefined && key !== undefined && estimate.error === undefined,
      text:
        key === undefined
          ? 'waits for the parts above'
          : estimate.busy
            ? 'working it out …'
            : estimate.error
              ? 'something is wrong'
              : 'ready to start',
    },
  }
  return (
    <div className="new-run">
      <Summary status={status} />
      <div className="stack new-run-parts">
        <ModelSection
          chosen={draft.model}
          status={status.model}
          onChoose={(model) => change({ type: 'model', model })}
        />
        <DataSection
          chosen={draft.dataset}
          inspection={inspection}
          settings={parsed.settings}
          hasModel={draft.model !== undefined}
          status={status.data}
          onChoose={(dataset) => change({ type: 'dataset', dataset })}
          columns={columns}
          onColumns={(text) =>
            change(
              text === undefined
                ? { type: 'reset', keys: ['columns'] }
                : { type: 'set', key: 'columns', text, fallback: '' },
            )
          }
        />
        <SettingsSection
          typed={draft.typed}
          defaults={defaults}
          errors={errors}
          status={status.settings}
          onChange={change}
        />
        <CheckSection
          draft={draft}
          faults={faults}
          settings={parsed.settings}
          wrong={wrong > 0 || isRefusal(estimate.error)}
          estimate={estimate}
          status={status.check}
          onChange={change}
          onRefused={setRefused}
        />
      </div>
    </div>
  )
}

/** Why the chosen file cannot be trained on; undefined when it can, or is not read yet. */
function faultsOf(inspection: Requested<Inspection> | undefined): string | undefined {
  const { data } = inspection ?? {}
  if (data === undefined) return undefined
  if (data.format === null) return 'no known format'
  return data.errorCount > 0 ? `${plural(data.errorCount, 'row')} to correct` : undefined
}

/** Whether the server would refuse these settings, and not only failed to work something out. */
const isRefusal = (error: Error | undefined): boolean => error instanceof ApiError && error.issues.length > 0

/** What the server found wrong, by setting. */
function issuesOf(error: Error | undefined): Partial<Record<SettingKey, string>> {
  if (!(error instanceof ApiError)) return {}
  const found = error.issues.flatMap(({ path, message }) => {
    const key = settingKeys.find((name) => path === `settings.${name}` || path.startsWith(`settings.${name}.`))
    return key === undefined ? [] : [[key, message] as const]
  })
  return Object.fromEntries(found)
}
