// The page for an address. Each is loaded when it is first gone to.
import { lazy, Suspense, useMemo } from 'react'
import { ErrorBoundary } from './shell/error-boundary'
import { Frame } from './shell/frame'
import { Link } from './shell/link'
import { PageTitle } from './shell/page-title'
import { parseRoute, to, useAddress, type Route } from './shell/router'
import { SessionProvider } from './shell/session'
import { HomePage } from './pages/home/home-page'

const NewRunPage = lazy(() => import('./pages/new-run/new-run-page'))
const RunPage = lazy(() => import('./pages/run/run-page'))
const ComparePage = lazy(() => import('./pages/compare/compare-page'))
const LearnStartPage = lazy(() => import('./pages/learn/start-page'))
const ProjectPage = lazy(() => import('./pages/learn/project-page'))
const PlaygroundPage = lazy(() => import('./pages/playground/playground-page'))

export function App() {
  const address = useAddress()
  const route = useMemo(() => parseRoute(address), [address])
  return (
    <SessionProvider>
      <Frame page={route.page}>
        <ErrorBoundary key={route.page}>
          <Suspense fallback={<p className="soft">Loading …</p>}>
            <Page route={route} />
          </Suspense>
        </ErrorBoundary>
      </Frame>
    </SessionProvider>
  )
}

function Page({ route }: { readonly route: Route }) {
  switch (route.page) {
    case 'home':
      return <HomePage />
    case 'new':
      return <NewRunPage key={route.from ?? ''} from={route.from} />
    case 'run':
      return <RunPage key={route.id} id={route.id} />
    case 'learn':
      return route.id === undefined ? <LearnStartPage /> : <ProjectPage key={route.id} id={route.id} />
    case 'compare':
      return <ComparePage ids={route.ids} />
    case 'playground':
      return <PlaygroundPage runId={route.id} />
    case 'missing':
      return (
        <div className="stack">
          <PageTitle title="There is no such page" />
          <p>
            Nothing is at <code>{route.path}</code>. <Link to={to.home}>All runs</Link>
          </p>
        </div>
      )
  }
}
