// The parts of a new run at a glance, beside them where there is room.
import { Icon } from '../../ui/icon'
import type { SectionId, SectionStatus } from './section'

const titles: Readonly<Record<SectionId, string>> = {
  model: 'Model',
  data: 'Data',
  settings: 'Settings',
  check: 'Check and start',
}

export const Summary = ({ status }: { readonly status: Readonly<Record<SectionId, SectionStatus>> }) => (
  <nav className="summary" aria-label="Parts of the new run">
    <ol className="summary-list">
      {(Object.keys(titles) as SectionId[]).map((id, i) => (
        <li key={id}>
          <a href={`#${id}`} className="summary-link">
            <span className={`section-number ${status[id].ready ? 'section-ready' : ''}`} aria-hidden="true">
              {status[id].ready ? <Icon name="check" /> : i + 1}
            </span>
            <span className="grow">
              <span className="summary-title">{titles[id]}</span>
              <span className="soft small wrap-anywhere">{status[id].text}</span>
            </span>
          </a>
        </li>
      ))}
    </ol>
  </nav>
)
