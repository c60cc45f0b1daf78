// The first page: what one may want to do, and all runs.
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
          <PageTitle title="Runs">What do you want to do?</PageTitle>
          <p className="hero-text">
            JORA teaches a language model on this machine. Nothing leaves it unless you publish it, or let a service
            draft questions.
          </p>
        </div>
        <div className="hero-ways">
          <div className="hero-way hero-way-first">
            <h2>Teach a model my documents</h2>
            <p className="soft">
              Drop a folder of PDF, Word, HTML, tables or text. Questions are drafted, you review them, the model
              learns, and a report says how well it answers.
            </p>
            <Link to={to.learn()} className="button button-primary button-large">
              <Icon name="folder" />
              Begin with documents
            </Link>
          </div>
          <div className="hero-way">
            <h2>Train on rows that I have</h2>
            <p className="soft">
              A file of questions and answers, instructions or chats. Memory and time are told before anything starts.
            </p>
            <Link to={to.newRun()} className="button button-large">
              <Icon name="plus" />
              New run
            </Link>
          </div>
          <div className="hero-way">
            <h2>Ask a model</h2>
            <p className="soft">Before and after training, side by side, with documents to answer from or without.</p>
            <Link to={to.playground()} className="button button-large">
              <Icon name="right" />
              Playground
            </Link>
          </div>
          <div className="hero-way">
            <h2>See how it works</h2>
            <p className="soft">
              A tiny bundled model learns to answer questions on 177 countries by quoting a document. A minute or two;
              nothing to download.
            </p>
            <QuickstartButton />
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
