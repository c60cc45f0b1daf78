// The frame of every page: the way to the others, the connection, the theme.
import type { ReactNode } from 'react'
import { useConnection, reconnect } from '../api/store'
import { adviceFor } from '../api/advice'
import { Icon } from '../ui/icon'
import { Segments } from '../ui/segments'
import { Announcer } from './announce'
import { Link } from './link'
import { to, type Route } from './router'
import { useSession } from './session'
import { chooseTheme, themes, useTheme } from './theme'

const places: readonly { readonly label: string; readonly to: string; readonly page: Route['page'] }[] = [
  { label: 'Runs', to: to.home, page: 'home' },
  { label: 'Documents', to: to.learn(), page: 'learn' },
  { label: 'New run', to: to.newRun(), page: 'new' },
  { label: 'Compare', to: to.compare(), page: 'compare' },
  { label: 'Playground', to: to.playground(), page: 'playground' },
]

const themeNames = { system: 'As the system', light: 'Light', dark: 'Dark' } as const
const themeIcons = { system: 'system', light: 'sun', dark: 'moon' } as const

export function Frame({ page, children }: { readonly page: Route['page']; readonly children: ReactNode }) {
  const theme = useTheme()
  const session = useSession().data
  return (
    <div className="frame">
      <a className="skip" href="#main">
        Skip to the content
      </a>
      <header className="top">
        <div className="top-inner">
          <Link to={to.home} className="brand">
            <img className="brand-mark" src="/icon.svg" alt="" width="24" height="24" />
            JORA
          </Link>
          <nav className="nav" aria-label="Pages">
            <ul className="nav-list">
              {places.map((place) => (
                <li key={place.page}>
                  <Link to={place.to} aria-current={place.page === page ? 'page' : undefined}>
                    {place.label}
                  </Link>
                </li>
              ))}
            </ul>
          </nav>
          <div className="top-side">
            <Segments
              label="Theme"
              icons
              value={theme}
              options={themes.map((value) => ({
                value,
                name: themeNames[value],
                label: <Icon name={themeIcons[value]} />,
              }))}
              onChange={chooseTheme}
            />
          </div>
        </div>
      </header>
      <ConnectionBanner />
      <main id="main" className="main" tabIndex={-1}>
        {children}
      </main>
      <footer className="foot">
        <div className="foot-inner">
          <span>
            Everything stays on this machine. A run’s files are in its folder and can be used without this page.
          </span>
          {session && <span>JORA {session.version}</span>}
        </div>
      </footer>
      <Announcer />
    </div>
  )
}

function ConnectionBanner() {
  const { status, error } = useConnection()
  if (status !== 'waiting' && status !== 'ended') return null
  return (
    <div className="banner">
      <div className="row">
        <Icon name="warn" />
        <span className="grow">
          <strong>{status === 'waiting' ? 'Connection lost. ' : 'Not connected. '}</strong>
          {error === undefined || error.code === 'unreachable' ? 'The server does not answer.' : error.message}{' '}
          {error && adviceFor(error)}
        </span>
        <button type="button" className="button button-small" onClick={reconnect}>
          Try now
        </button>
      </div>
    </div>
  )
}
