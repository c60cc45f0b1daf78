// Text-generation models of the Hub that have safetensors weights, most downloaded first.
import { hubClient, modelTypes } from '@jora/llama'
import { z } from 'zod'
import type { HubModel } from '../api'
import { Failure } from '../server/failure'

const [limit, timeoutMs] = [30, 10_000]

/** Whether JORA computes models of that `model_type`. */
const isFamily = (modelType: string): boolean => [...modelTypes, 'gemma3'].includes(modelType)

const answerSchema = z.array(
  z.looseObject({
    id: z.string(),
    downloads: z.number().optional(),
    likes: z.number().optional(),
    gated: z.union([z.boolean(), z.string()]).optional(),
    lastModified: z.string().optional(),
    config: z.looseObject({ model_type: z.string().optional() }).nullish(),
    safetensors: z.looseObject({ total: z.number().optional() }).nullish(),
  }),
)

/** @throws Failure when offline, or the Hub does not answer */
export async function searchHub(query: string, cached: ReadonlySet<string>, signal: AbortSignal): Promise<HubModel[]> {
  const { endpoint, token, offline } = await hubClient.hubSettings('search', {})
  if (offline)
    throw new Failure(
      'offline',
      'HF_HUB_OFFLINE is set: unset it and start jora gui again to search the Hub, or use a local folder.',
    )
  const search = new URLSearchParams({
    search: query,
    pipeline_tag: 'text-generation',
    filter: 'safetensors',
    sort: 'downloads',
    direction: '-1',
    limit: String(limit),
  })
  for (const field of ['downloads', 'likes', 'gated', 'lastModified', 'config', 'safetensors'])
    search.append('expand[]', field)
  let response: Response
  try {
    response = await fetch(`${endpoint}/api/models?${search}`, {
      headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
      signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]),
    })
  } catch (error) {
    signal.throwIfAborted()
    const { cause, message } = error as Error
    const why = cause instanceof Error ? cause.message : message
    throw new Failure(
      'offline',
      `${endpoint} does not answer (${why}). Without it, use a local folder or the bundled model.`,
    )
  }
  if (!response.ok)
    throw new Failure(
      'failed',
      `${endpoint} answered ${response.status}. Try again later, or use a local folder.`,
      [],
      502,
    )
  const answer = answerSchema.safeParse(await response.json().catch(() => undefined))
  if (!answer.success)
    throw new Failure('failed', `${endpoint} answered with something that is not a list of models.`, [], 502)
  return answer.data
    .filter(({ id }) => hubClient.isModelId(id))
    .map(({ id, config, safetensors, downloads = 0, likes = 0, gated = false, lastModified }) => {
      const family = config?.model_type ?? null
      return {
        id,
        family,
        supported: family !== null && isFamily(family),
        parameters: safetensors?.total ?? null,
        downloads,
        likes,
        gated: gated !== false,
        updatedAt: lastModified ?? null,
        cached: cached.has(id),
      }
    })
}
