// Where documents begin their way to a model: a new project, and those that there are.
import { useState, type FormEvent } from 'react'
import { api } from '../../api/client'
import { useAction, useRequest } from '../../api/use-request'
import { moment, lastPart } from '../../format'
import { Link } from '../../shell/link'
import { PageTitle } from '../../shell/page-title'
import { navigate, to } from '../../shell/router'
import { Field } from '../../ui/field'
import { FileBrowser } from '../../ui/file-browser'
import { Icon } from '../../ui/icon'
import { Problem } from '../../ui/problem'
import { stageOf, stageWords } from './stages'

export default function LearnStartPage() {
  const projects = useRequest('projects', () => api.learnProjects())
  return (
    <>
      <div className="stack stack-s measure">
        <PageTitle title="Teach it documents">From documents to a model</PageTitle>
        <p className="soft">
          Drop a folder of PDF, Word, HTML, Markdown, tables or text. Questions are drafted on it, you review them, a
          model learns to answer from the documents, and a report says how well it does on what it has not seen.
        </p>
      </div>
      <NewProject />
      {projects.error && (
        <Problem what="The projects could not be listed" error={projects.error} again={projects.again} />
      )}
      {projects.data !== undefined && projects.data.length > 0 && (
        <section className="stack" aria-labelledby="projects-title">
          <h2 id="projects-title">Begun before</h2>
          <ul className="runs">
            {projects.data.map((project) => (
              <li key={project.id} className="project-row">
                <Link to={to.learn(project.id)} className="run-link">
                  {project.name}
                </Link>
                <span className="soft small">{stageWords[stageOf(project)]}</span>
                <span className="soft small wrap-anywhere">{lastPart(project.model)}</span>
                <span className="soft small num">{moment(project.createdAt)}</span>
              </li>
            ))}
          </ul>
        </section>
      )}
    </>
  )
}

function NewProject() {
  const models = useRequest('models', () => api.models())
  const { busy, error, run } = useAction()
  const [name, setName] = useState('')
  const [model, setModel] = useState<string>()
  const [documents, setDocuments] = useState<string>()
  const [browsing, setBrowsing] = useState(false)
  const usable = (models.data ?? []).filter(({ problem }) => problem === null)
  const chosen = model ?? usable[0]?.ref ?? ''
  const submit = (event: FormEvent) => {
    event.preventDefault()
    run(async () => {
      const given = documents === undefined ? {} : { documents }
      const project = await api.createLearn({ name: name.trim() || 'My documents', model: chosen.trim(), ...given })
      navigate(to.learn(project.id))
    })
  }
  return (
    <form className="panel stack" onSubmit={submit} aria-labelledby="new-project">
      <h2 id="new-project">A new project</h2>
      <div className="columns">
        <Field label="What it is called">
          {(control) => (
            <input
              {...control}
              className="input"
              value={name}
              maxLength={100}
              placeholder="My documents"
              onChange={(event) => setName(event.target.value)}
            />
          )}
        </Field>
        <Field
          label="Model that learns"
          hint="One that is here, or a name of the Hub, such as HuggingFaceTB/SmolLM2-135M-Instruct."
        >
          {(control) => (
            <>
              <input
                {...control}
                className="input"
                list="models-here"
                value={chosen}
                onChange={(event) => setModel(event.target.value)}
              />
              <datalist id="models-here">
                {usable.map((each) => (
                  <option key={each.ref} value={each.ref}>
                    {each.name}
                  </option>
                ))}
              </datalist>
            </>
          )}
        </Field>
      </div>
      {documents === undefined ? (
        <details open={browsing} onToggle={({ currentTarget }) => setBrowsing(currentTarget.open)}>
          <summary>The documents are in a folder of the machine that JORA runs on</summary>
          {browsing && (
            <FileBrowser
              use="documents"
              onChoose={({ path }) => {
                setDocuments(path)
                setBrowsing(false)
              }}
            />
          )}
        </details>
      ) : (
        <p className="row">
          <Icon name="folder" />
          <code className="wrap-anywhere">{documents}</code>
          <button type="button" className="button button-small" onClick={() => setDocuments(undefined)}>
            Send files instead
          </button>
        </p>
      )}
      {models.error && <Problem what="The models could not be listed" error={models.error} again={models.again} />}
      {error && <Problem what="The project could not be begun" error={error} />}
      <div>
        <button type="submit" className="button button-primary button-large" disabled={busy || chosen.trim() === ''}>
          <Icon name="right" />
          {documents === undefined ? 'Next: drop the documents' : 'Next: read the documents'}
        </button>
      </div>
    </form>
  )
}
