// The first page: what this is, the three ways in, and all runs.
import { useKnown } from '../../api/store'
import { useSession } from '../../shell/session'
import { Link } from '../../shell/link'
import { PageTitle } from '../../shell/page-title'
import { to } from '../../shell/router'
import { Icon } from '../../ui/icon'
import { Problem } from '../../ui/problem'
import { QuickstartButton } from './quickstart-button'
import { RunList } from './run-list'

export function HomePage() {
  const { runs, complete } = useKnown()
  const session = useSession()
  return (
    <>
      <section className="hero" aria-label="Start">
        <div className="stack measure">
          <PageTitle title="Runs">Teach a language model your documents</PageTitle>
          <p className="hero-text">
            JORA fine-tunes a model on this machine: pick a model, drop a file of questions and answers, watch it learn,
            then talk to it. Nothing leaves this machine unless you publish it.
          </p>
        </div>
        <div className="hero-ways">
          <div className="hero-way hero-way-first">
            <h2>Try it first</h2>
            <p className="soft">
              A tiny bundled model learns to answer questions on 177 countries by quoting a document. A minute or two on
              a laptop; nothing to download.
            </p>
            <QuickstartButton />
          </div>
          <div className="hero-way">
            <h2>Your own model and data</h2>
            <p className="soft">
              Choose the model and the file; the settings have defaults that work. Memory and time are told before
              anything starts.
            </p>
            <Link to={to.newRun()} className="button button-large">
              <Icon name="plus" />
              New run
            </Link>
          </div>
        </div>
        {session.error && (
          <Problem what="JORA’s server could not be reached" error={session.error} again={session.again} />
        )}
      </section>
      <section className="stack" aria-labelledby="runs-title">
        <div className="row row-between">
          <h2 id="runs-title">Runs</h2>
          {runs.length > 1 && (
            <Link to={to.compare()} className="button button-quiet button-small">
              Compare runs
            </Link>
          )}
        </div>
        {!complete && runs.length === 0 ? <p className="soft">Loading …</p> : <RunList runs={runs} />}
      </section>
    </>
  )
}
