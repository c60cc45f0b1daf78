// Which data: a file that is dropped or chosen, or a bundled one; then what is in it, and what the model learns of it.
import { useState } from 'react'
import type { Inspection, RunSettings } from '@jora/gui/client'
import type { Requested } from '../../api/use-request'
import { lastPart } from '../../format'
import { useSession } from '../../shell/session'
import { ColumnMapper } from '../../ui/column-mapper'
import { FileBrowser } from '../../ui/file-browser'
import { Problem } from '../../ui/problem'
import { DropZone } from './drop-zone'
import { InspectionView } from './inspection-view'
import { PreviewView } from './preview-view'
import { Section, type SectionStatus } from './section'

interface DataSectionProps {
  readonly chosen: string | undefined
  /** Which of its columns are which, as `--columns` has it. */
  readonly columns: string | undefined
  /** Of the chosen file. */
  readonly inspection: Requested<Inspection>
  /** Complete and right settings, for the preview; undefined while something is missing. */
  readonly settings: RunSettings | undefined
  readonly hasModel: boolean
  readonly status: SectionStatus
  readonly onChoose: (path: string | undefined) => void
  readonly onColumns: (columns: string | undefined) => void
}

export function DataSection(props: DataSectionProps) {
  const { chosen, columns, inspection, settings, hasModel, status, onChoose, onColumns } = props
  const bundled = useSession().data?.bundled.datasets ?? []
  const [browsing, setBrowsing] = useState(false)
  const current = inspection.data?.path === chosen ? inspection.data : undefined
  return (
    <Section id="data" number={2} title="Data" status={status}>
      <DropZone onUploaded={onChoose} />
      {bundled.length > 0 && (
        <fieldset>
          <legend className="field-label">Or an example that comes with JORA</legend>
          <div className="cards">
            {bundled.map(({ path, name }) => (
              <label key={path} className="card">
                <input type="radio" name="dataset" checked={path === chosen} onChange={() => onChoose(path)} />
                <span className="grow">
                  <span className="card-title">{name}</span>
                </span>
              </label>
            ))}
          </div>
        </fieldset>
      )}
      <details open={browsing} onToggle={({ currentTarget }) => setBrowsing(currentTarget.open)}>
        <summary>Choose a file on this machine</summary>
        {browsing && (
          <FileBrowser
            use="dataset"
            onChoose={({ path }) => {
              onChoose(path)
              setBrowsing(false)
            }}
          />
        )}
      </details>
      {chosen !== undefined && (
        <div className="chosen stack" aria-live="polite">
          <div className="row row-between">
            <h3 className="wrap-anywhere">{lastPart(chosen)}</h3>
            <button type="button" className="button button-small" onClick={() => onChoose(undefined)}>
              Choose another
            </button>
          </div>
          {inspection.error && (
            <Problem what="The file could not be read" error={inspection.error} again={inspection.again} />
          )}
          {inspection.busy && current === undefined && <p className="soft">Reading …</p>}
          {current && <InspectionView inspection={current} />}
          {current && current.columns.length > 0 && (
            <details key={`${chosen} ${columns}`} open={columns === undefined && current.format === null}>
              <summary>
                {columns === undefined ? 'Say which column is which' : 'Columns: '}
                {columns !== undefined && <code className="wrap-anywhere">{columns}</code>}
              </summary>
              <ColumnMapper columns={current.columns} value={columns} onUse={onColumns} />
            </details>
          )}
        </div>
      )}
      {current !== undefined &&
        current.format !== null &&
        current.errorCount === 0 &&
        (settings === undefined ? (
          <p className="soft">
            {hasModel
              ? 'What the model learns is shown here once the settings below are right.'
              : 'Choose a model too, to see the tokens it learns.'}
          </p>
        ) : (
          <PreviewView key={`${settings.model} ${settings.dataset} ${settings.columns}`} settings={settings} />
        ))}
    </Section>
  )
}
