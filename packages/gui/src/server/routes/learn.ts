// Routes of projects: documents in, stages as jobs, and what came of each.
import { isAbsolute } from 'node:path'
import { columnsExpected, parseColumns } from '@jora/data'
import { Hono } from 'hono'
import { createLearnSchema, learnStageSchema, reviewSchema, routes } from '../../api'
import { answersOf, contextsOf, questionsOf, review, stageWork } from '../../learn/stages'
import { checkOctets, queryCount, queryText, readJson } from '../body'
import { badValue, Failure } from '../failure'
import type { Services } from '../services'

/** Contexts that are sent at once, at most. */
const mostContexts = 200
/** A review of thousands of drafts comes as one body. */
const reviewLimitBytes = 16 << 20

export function learnRoutes(services: Services): Hono {
  const { projects, roots, models, jobs, commands, cwd, uploadLimitBytes } = services
  const app = new Hono()
  const find = (id: string) => projects.get(id)
  app.get(routes.learnProjects.path, async (c) => {
    const all = await projects.all()
    return c.json({ projects: await Promise.all(all.map((project) => projects.describe(project))) })
  })
  app.post(routes.createLearn.path, async (c) => {
    const { name, model, documents } = await readJson(c, createLearnSchema)
    const given = {
      name,
      // A Hub id is fetched by the first stage that needs its files.
      model: isAbsolute(model) ? await models.folderOf(model, 'model') : model,
      ...(documents !== undefined && { documents: await roots.existing(documents, 'documents') }),
    }
    return c.json(await projects.describe(await projects.create(given)), 201)
  })
  app.get(routes.learnProject.path, async (c) => c.json(await projects.describe(await find(c.req.param('id')))))
  app.post(routes.sendDocument.path, async (c) => {
    checkOctets(c)
    const project = await find(c.req.param('id'))
    return c.json(await projects.take(project, queryText(c, 'path'), c.req.raw, uploadLimitBytes), 201)
  })
  app.delete(routes.clearDocuments.path, async (c) => {
    const project = await find(c.req.param('id'))
    await projects.clear(project)
    return c.json(await projects.describe(project))
  })
  app.post(routes.learnStage.path, async (c) => {
    const project = await find(c.req.param('id'))
    const request = await readJson(c, learnStageSchema)
    if (jobs.list().some((job) => job.projectId === project.id && job.state === 'running'))
      throw new Failure('conflict', 'A stage of this project is being done: wait for it, or cancel it.')
    if (request.questions !== undefined && request.drafter !== undefined)
      throw badValue('drafter', 'goes without questions, and questions without it')
    const { questions, columns } = request
    if (columns !== undefined && parseColumns(columns) === undefined)
      throw badValue('columns', `got ${JSON.stringify(columns)}, expected ${columnsExpected}`)
    const given = questions === undefined ? {} : { questions: await roots.file(questions, 'questions') }
    // Files may have gone since, or the roots be others.
    if (project.documents !== undefined) await roots.existing(project.documents, 'documents')
    const model = isAbsolute(project.model) ? await models.folderOf(project.model, 'model') : project.model
    const whole = await projects.remember(project, { ...request, ...given })
    return c.json(jobs.start(stageWork(project, whole, { commands, cwd, model })), 202)
  })
  app.get(routes.learnQuestions.path, async (c) => c.json(await questionsOf(await find(c.req.param('id')))))
  app.post(routes.reviewQuestions.path, async (c) => {
    const project = await find(c.req.param('id'))
    await review(project, await readJson(c, reviewSchema, reviewLimitBytes))
    return c.json(await questionsOf(project))
  })
  app.get(routes.learnContexts.path, async (c) => {
    const [from, count] = [queryCount(c, 'from') ?? 0, Math.min(mostContexts, queryCount(c, 'count') ?? mostContexts)]
    return c.json(await contextsOf(await find(c.req.param('id')), from, count))
  })
  app.get(routes.learnAnswers.path, async (c) => c.json({ answers: await answersOf(await find(c.req.param('id'))) }))
  return app
}
