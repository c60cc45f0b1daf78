// Compute pipelines by the text of their shader: equal kernels share one.
import type { Dispatch } from '../fusion/module'
import type { PlatformGpu } from './platform'

export class Pipelines {
  readonly #known = new Map<string, Promise<GPUComputePipeline>>()

  constructor(
    readonly gpu: PlatformGpu,
    /** The adapter's name, for messages. */
    readonly name: string,
    readonly onCreate: () => void,
  ) {}

  /** Rejects when the adapter refuses the kernel, with the kernel's name and the compiler's words. */
  get({ code, bindings, parameters, label }: Dispatch): Promise<GPUComputePipeline> {
    const known = this.#known.get(code)
    if (known) return known
    const types = [...bindings.map((b) => b.access), ...(parameters.length > 0 ? ['read'] : [])]
    const layout = this.gpu.createBindGroupLayout({
      entries: types.map((access, binding) => ({
        binding,
        visibility: GPUShaderStage.COMPUTE,
        buffer: { type: access === 'read' ? 'read-only-storage' : 'storage' },
      })),
    })
    const compile = async () => {
      this.gpu.pushErrorScope('validation') // told below with the kernel's name, not as a failure of the device
      const module = this.gpu.createShaderModule({ code, label })
      void this.gpu.popErrorScope()
      const { messages } = await module.getCompilationInfo()
      const wrong = messages.find((m) => m.type === 'error')
      if (wrong) throw new Error(`line ${wrong.lineNum}: ${wrong.message}`)
      return this.gpu.createComputePipelineAsync({
        label,
        layout: this.gpu.createPipelineLayout({ bindGroupLayouts: [layout] }),
        compute: { module, entryPoint: 'main' },
      })
    }
    const pipeline = compile().catch((error: Error) => {
      throw new Error(`kernel ${label} cannot be compiled for ${this.name}: ${error.message}`)
    })
    this.#known.set(code, pipeline)
    this.onCreate()
    return pipeline
  }
}
