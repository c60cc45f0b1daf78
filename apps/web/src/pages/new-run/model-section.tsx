// Which model: those that are here, a folder, or one from the Hub.
import { useState } from 'react'
import { api } from '../../api/client'
import { useRequest } from '../../api/use-request'
import { useSession } from '../../shell/session'
import { FileBrowser } from '../../ui/file-browser'
import { Problem } from '../../ui/problem'
import { HubSearch } from './hub-search'
import { ModelCard } from './model-card'
import { Section, type SectionStatus } from './section'

interface ModelSectionProps {
  readonly chosen: string | undefined
  readonly status: SectionStatus
  readonly onChoose: (ref: string) => void
}

export function ModelSection({ chosen, status, onChoose }: ModelSectionProps) {
  const session = useSession().data
  const { data: models, error, again } = useRequest('models', () => api.models())
  const [browsing, setBrowsing] = useState(false)
  const listed = models?.some(({ ref }) => ref === chosen) ?? false
  // A folder that was chosen in the browser is beside the ones that were found.
  const apart = useRequest(models !== undefined && chosen !== undefined && !listed ? chosen : undefined, () =>
    api.model(chosen!),
  )
  const cards = [...(apart.data && !listed ? [apart.data] : []), ...(models ?? [])]
  return (
    <Section id="model" number={1} title="Model" status={status}>
      {error && <Problem what="The models could not be listed" error={error} again={again} />}
      {apart.error && !listed && <Problem what="The chosen model cannot be used" error={apart.error} />}
      <fieldset>
        <legend className="visually-hidden">Models on this machine</legend>
        <div className="cards">
          {cards.map((model) => (
            <ModelCard
              key={model.ref}
              model={model}
              chosen={model.ref === chosen}
              onChoose={() => onChoose(model.ref)}
            />
          ))}
        </div>
      </fieldset>
      {models?.length === 0 && <p className="soft">No model was found in the folders. Choose one below.</p>}
      <details open={browsing} onToggle={({ currentTarget }) => setBrowsing(currentTarget.open)}>
        <summary>Choose a folder</summary>
        {browsing && (
          <div className="stack">
            <p className="soft small">
              A model is a folder with config.json, tokenizer.json and .safetensors files, as on the Hugging Face Hub.
            </p>
            <FileBrowser
              use="model"
              onChoose={({ path }) => {
                onChoose(path)
                setBrowsing(false)
              }}
            />
          </div>
        )}
      </details>
      <details>
        <summary>Find one on the Hugging Face Hub</summary>
        <HubSearch
          offline={session?.hub.offline ?? false}
          onChoose={(ref) => {
            onChoose(ref)
            again()
          }}
        />
      </details>
    </Section>
  )
}
