// Models there are, models of the Hub, devices, and what a run would take on them.
import { z } from './zod'
import { modelRefSchema, settingsSchema } from './settings'

/** A model on this machine. */
export const modelSchema = z.object({
  /** For `settings.model`. */
  ref: z.string(),
  name: z.string(),
  source: z.enum(['bundled', 'folder', 'cache']),
  path: z.string(),
  /** `llama`, `gemma2`, … as config.json has it. */
  family: z.string().nullable(),
  parameters: z.number().nullable(),
  layers: z.number().nullable(),
  hiddenSize: z.number().nullable(),
  vocabSize: z.number().nullable(),
  /** Tokens. */
  maxPositions: z.number().nullable(),
  /** Of its weight files. */
  bytes: z.number().nullable(),
  hasChatTemplate: z.boolean(),
  /** Linear layers that an adapter can be beside. */
  modules: z.array(z.string()),
  /** Why it cannot be used; null when it can. */
  problem: z.string().nullable(),
})
/** A model that {@link modelSchema} describes. */
export type ModelInfo = z.infer<typeof modelSchema>
/** Answer of `GET /api/models`: models in the roots, in the Hub's cache, and the bundled one. */
export const modelsSchema = z.object({ models: z.array(modelSchema) })

/** A model of the Hub, as its search returns it. */
export const hubModelSchema = z.object({
  id: z.string(),
  family: z.string().nullable(),
  /** Whether JORA computes this family. */
  supported: z.boolean(),
  parameters: z.number().nullable(),
  downloads: z.number(),
  likes: z.number(),
  gated: z.boolean(),
  updatedAt: z.string().nullable(),
  cached: z.boolean(),
})
/** A model that {@link hubModelSchema} describes. */
export type HubModel = z.infer<typeof hubModelSchema>
/** Answer of `GET /api/hub/search`. */
export const hubSearchSchema = z.object({ models: z.array(hubModelSchema) })

/** Body of `POST /api/hub/download`: the Hub id. */
export const hubDownloadSchema = z.strictObject({ id: z.string().max(200) })

/** A device that can train; the optional keys are there as far as they are known. */
export const deviceSchema = z.looseObject({
  kind: z.enum(['cpu', 'webgpu']),
  name: z.string(),
  /** The one that `device: 'auto'` takes. */
  auto: z.boolean(),
  cores: z.number().optional(),
  memoryBytes: z.number().optional(),
  software: z.boolean().optional(),
  f16: z.boolean().optional(),
  /** Why it cannot be used. */
  unusable: z.string().optional(),
})
/** A device that {@link deviceSchema} describes. */
export type DeviceInfo = z.infer<typeof deviceSchema>
/** Answer of `GET /api/devices`. */
export const devicesSchema = z.object({
  devices: z.array(deviceSchema),
  default: z.string(),
  /** Why no GPU could be asked for. */
  problem: z.string().optional(),
})
/** An answer that {@link devicesSchema} describes. */
export type Devices = z.infer<typeof devicesSchema>

/** Body of `POST /api/mesh`: a model, and a mesh such as `data=2,model=4`. */
export const meshRequestSchema = z.strictObject({ model: modelRefSchema, mesh: z.string().max(60) })
/** Answer of `POST /api/mesh`: which part of each kind of weight each device of the mesh holds. */
export const meshSchema = z.object({
  data: z.number(),
  model: z.number(),
  layers: z.number(),
  /** Device counts along `model` that this model can be split over, up to 16. */
  modelSplits: z.array(z.number()),
  devices: z.array(
    z.object({
      index: z.number(),
      /** Which rows of a batch it takes, and which part of the weights. */
      at: z.object({ data: z.number(), model: z.number() }),
      weightBytes: z.number(),
      parts: z.array(
        z.object({
          /** `model.embed_tokens`, `self_attn.q_proj`, …: one for all layers. */
          module: z.string(),
          /** Where it is: before, in, or after the layers. */
          place: z.enum(['before', 'layer', 'after']),
          /** `rows` are split, `columns` are, or the device has all of it. */
          split: z.enum(['rows', 'columns', 'none']),
          shape: z.array(z.number()),
          /** First and last + 1 of what is split. */
          from: z.number(),
          to: z.number(),
          of: z.number(),
        }),
      ),
    }),
  ),
})
/** An answer that {@link meshSchema} describes. */
export type MeshPicture = z.infer<typeof meshSchema>

/** Body of `POST /api/estimate`. */
export const estimateRequestSchema = z.strictObject({ settings: settingsSchema })
/** Answer of `POST /api/estimate`: what a run with these settings takes. */
export const estimateSchema = z.object({
  steps: z.number(),
  stepsPerEpoch: z.number(),
  samples: z.number(),
  /** Tokens of the training rows, once. */
  tokens: z.number(),
  longestTokens: z.number(),
  device: z.enum(['cpu', 'webgpu']),
  deviceName: z.string(),
  /** Of each device of the mesh: all devices hold the same amounts. */
  memory: z.object({
    devices: z.number(),
    weightBytes: z.number(),
    /** Adapter and AdamW's moments. */
    stateBytes: z.number(),
    /** On the CPU what the process itself takes is among them. */
    activationBytes: z.number(),
    totalBytes: z.number(),
    /** Null where it is not known. */
    fits: z.boolean().nullable(),
    checkpointing: z.boolean(),
  }),
  /** At least; null where nothing was measured. */
  seconds: z.number().nullable(),
  /** Sentences on what is not known, or should be. */
  notes: z.array(z.string()),
  mesh: meshSchema,
})
/** An answer that {@link estimateSchema} describes. */
export type Estimate = z.infer<typeof estimateSchema>
