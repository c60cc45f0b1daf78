// Joins drafts of kernels into one shader: bindings, load and store functions, and the entry point.
import type { GpuProfile } from '../device/profile'
import { elementBytes, storedBytes, type ElementType, type Storage } from './storage'
import type { Access, Draft } from './writer'

/** A part of a storage as a shader binds it. */
export interface Binding {
  readonly storage: Storage
  /** In bytes from the storage's start. */
  readonly offset: number
  readonly size: number
  readonly access: 'read' | 'read_write'
}

/** One dispatch: a shader, what it binds and how many workgroups run. */
export interface Dispatch {
  readonly label: string
  readonly code: string
  readonly bindings: readonly Binding[]
  readonly parameters: readonly number[]
  readonly workgroups: readonly [x: number, y: number]
}

const loaded: Readonly<Record<ElementType, 'f32' | 'i32' | 'u32' | 'bool'>> = {
  f32: 'f32',
  f16: 'f32',
  halves: 'f32',
  brains: 'f32',
  i32: 'i32',
  u32: 'u32',
  bytes: 'u32',
  bool: 'bool',
}

const arrays: Record<ElementType, { single: string; vectors: string }> = {
  f32: { single: 'f32', vectors: 'vec4f' },
  f16: { single: 'f16', vectors: 'vec4<f16>' },
  halves: { single: 'u32', vectors: 'vec2u' },
  brains: { single: 'u32', vectors: 'vec2u' },
  i32: { single: 'i32', vectors: 'vec4i' },
  u32: { single: 'u32', vectors: 'vec4u' },
  bytes: { single: 'u32', vectors: 'u32' },
  bool: { single: 'u32', vectors: 'vec4u' },
}

/** Element `i` of array `name`. */
function element(type: ElementType, vectors: boolean, name: string): string {
  const scalar = vectors ? `${name}[i >> 2u][i & 3u]` : `${name}[i]`
  const pair = vectors ? `${name}[i >> 2u][(i >> 1u) & 1u]` : `${name}[i >> 1u]`
  switch (type) {
    case 'f16':
      return `f32(${scalar})`
    case 'bool':
      return `(${scalar} != 0u)`
    case 'halves':
      return `unpack2x16float(${pair})[i & 1u]`
    case 'bytes':
      return `((${name}[i >> 2u] >> ((i & 3u) * 8u)) & 255u)`
    case 'brains':
      return `bitcast<f32>(select(${pair} << 16u, ${pair} & 0xffff0000u, (i & 1u) == 1u))`
    default:
      return scalar
  }
}

/** Elements 4i … 4i+3 of array `name`: a vec4f; of bytes the word that holds them. */
function quad(type: ElementType, vectors: boolean, name: string): string {
  if (!vectors) return `vec4f(${[0, 1, 2, 3].map((c) => `$at(4u * i + ${c}u)`).join(', ')})`
  switch (type) {
    case 'f16':
      return `vec4f(${name}[i])`
    case 'bytes':
      return `${name}[i]`
    case 'halves':
      return `vec4f(unpack2x16float(${name}[i].x), unpack2x16float(${name}[i].y))`
    case 'brains':
      return `bitcast<vec4f>(vec4u(${name}[i].x << 16u, ${name}[i].x & 0xffff0000u, ${name}[i].y << 16u, ${name}[i].y & 0xffff0000u))`
    default:
      return `${name}[i]`
  }
}

const stored = (type: ElementType): string => (type === 'f16' ? 'f16(x)' : type === 'bool' ? 'select(0u, 1u, x)' : 'x')

/** Elements of one binding of a storage too large for one. */
const chunkElements = (type: ElementType, profile: GpuProfile): number => {
  const bytes = Math.floor(profile.maxBindingBytes / profile.offsetAlignment) * profile.offsetAlignment
  return Math.floor(bytes / elementBytes[type] / 4) * 4
}

interface Bound {
  readonly storage: Storage
  written: boolean
  vectors: boolean
  loads: boolean
  quads: boolean
}

/** The functions by which kernels reach storage `n`, and its bindings. */
function declare(bound: Bound, n: number, first: number, profile: GpuProfile): { text: string[]; bindings: Binding[] } {
  const { storage, written, loads, quads } = bound
  const type = storage.element
  // A component of a vector cannot be stored without touching its neighbours.
  const vectors = bound.vectors && !written && storage.length % 4 === 0
  const per = chunkElements(type, profile)
  const chunks = Math.max(1, Math.ceil(storage.length / per))
  // Temporaries share buffers with what the same kernel writes, and WebGPU looks at whole buffers.
  const access = written || storage.kind === 'temporary' ? 'read_write' : 'read'
  const names = Array.from({ length: chunks }, (_, c) => (chunks === 1 ? `b${n}` : `b${n}_${c}`))
  const text = names.map(
    (name, c) =>
      `@group(0) @binding(${first + c}) var<storage, ${access}> ${name}: array<${arrays[type][vectors ? 'vectors' : 'single']}>;`,
  )
  const bytesPerChunk = chunks === 1 ? storage.bytes : storedBytes(type, per)
  const bindings = names.map(
    (_, c) =>
      ({
        storage,
        offset: c * bytesPerChunk,
        size: Math.min(bytesPerChunk, storage.bytes - c * bytesPerChunk),
        access,
      }) as const,
  )
  const choose = (unit: number, body: (name: string) => string): string =>
    chunks === 1
      ? body(names[0]!)
      : `switch (at / ${per / unit}u) { ${names.map((name, c) => `case ${c}u${c === chunks - 1 ? ', default' : ''}: { let i = at % ${per / unit}u; ${body(name)} }`).join(' ')} }`
  const argument = chunks === 1 ? 'i' : 'at'
  const result = loaded[type]
  if (loads || (quads && !vectors))
    text.push(
      `fn ld${n}(${argument}: u32) -> ${result} { ${choose(1, (name) => `return ${element(type, vectors, name)};`)} }`,
    )
  if (quads)
    text.push(
      vectors
        ? `fn quad${n}(${argument}: u32) -> ${type === 'bytes' ? 'u32' : 'vec4f'} { ${choose(4, (name) => `return ${quad(type, true, name)};`)} }`
        : `fn quad${n}(i: u32) -> vec4f { return ${quad(type, false, '').replaceAll('$at', `ld${n}`)}; }`,
    )
  if (written && type === 'bytes')
    throw new Error('a program cannot write u8: it is what quantised weights are stored in')
  if (written)
    text.push(`fn st${n}(${argument}: u32, x: ${result}) { ${choose(1, (name) => `${name}[i] = ${stored(type)};`)} }`)
  return { text, bindings }
}

/** How many bindings drafts take together; what `join` must stay under. */
export function countBindings(drafts: readonly Draft[], profile: GpuProfile): number {
  const storages = new Set(drafts.flatMap((d) => d.accesses.map((a) => a.storage)))
  let count = drafts.some((d) => d.parameters.length > 0) ? 1 : 0
  for (const s of storages) count += Math.max(1, Math.ceil(s.length / chunkElements(s.element, profile)))
  return count
}

/**
 * A body whose loops end where no compiler can know, since no dispatch has 2³¹ workgroups. Compilers for CPU cores write
 * out short loops, one inside the other, and make code for every lane of each load: with llvmpipe a second a kernel, half a minute
 * where an epilogue has products of its own.
 */
const keepLoops = (body: string): string =>
  body.replaceAll(/(for \(var (\w+) = [^;]+; \2 < )(\d+u);/g, '$1$3 + (wg >> 31u);')

/** One shader that runs every draft on workgroups of its own. All have the same workgroup size. */
export function join(drafts: readonly Draft[], profile: GpuProfile): Dispatch {
  const bounds: Bound[] = []
  const indexOf = (access: Access): number => {
    let at = bounds.findIndex((b) => b.storage === access.storage)
    if (at < 0)
      at = bounds.push({ storage: access.storage, written: false, vectors: false, loads: false, quads: false }) - 1
    return at
  }
  const parameters: number[] = []
  const globals: string[] = []
  const bodies = drafts.map((draft, d) => {
    const numbers = draft.accesses.map((access) => {
      const at = indexOf(access)
      const bound = bounds[at]!
      bound.written ||= access.written
      bound.vectors ||= access.vectors
      return at
    })
    const firstParameter = parameters.length
    parameters.push(...draft.parameters)
    const link = (text: string): string =>
      text.replaceAll(/\$(ld|quad|st|p)(\d+)\b|\$(\w+)/g, (_match, kind: string, digits: string, name: string) => {
        if (name !== undefined) return drafts.length === 1 ? name : `${name}_${d}`
        if (kind === 'p') return `parameters[${firstParameter + Number(digits)}]`
        const bound = numbers[Number(digits)]!
        if (kind === 'ld') bounds[bound]!.loads = true
        if (kind === 'quad') bounds[bound]!.quads = true
        return `${kind}${bound}`
      })
    globals.push(...[...draft.globals.values()].map(link))
    return link(profile.compilesForCpu ? keepLoops(draft.body) : draft.body)
  })

  const declarations: string[] = []
  const bindings: Binding[] = []
  bounds.forEach((bound, n) => {
    const { text, bindings: own } = declare(bound, n, bindings.length, profile)
    declarations.push(...text)
    bindings.push(...own)
  })
  if (parameters.length > 0)
    declarations.push(`@group(0) @binding(${bindings.length}) var<storage, read> parameters: array<u32>;`)

  const total = drafts.reduce((n, d) => n + d.workgroups, 0)
  const limit = profile.maxWorkgroupsPerDimension
  const x = Math.min(total, limit)
  const y = Math.ceil(total / x)
  const indent = (text: string, by: string) => text.replaceAll(/^/gm, by)
  const calls =
    drafts.length === 1
      ? indent(bodies[0]!, '  ')
      : drafts
          .map((draft, d) => {
            const before = drafts.slice(0, d).reduce((n, other) => n + other.workgroups, 0)
            const condition = d < drafts.length - 1 ? `if (wg < ${before + draft.workgroups}u) ` : ''
            return `${d > 0 ? ' else ' : '  '}${condition}{ part${d}(wg - ${before}u, lid); }`
          })
          .join('')
  const text = [...declarations, ...globals, ...bodies].join('\n')
  const extensions = [...new Set(drafts.flatMap((d) => d.extensions))]
  const f16 = extensions.includes('f16') || /\bf16\b/.test(text)
  const code = [
    ...(f16 ? ['enable f16;'] : []),
    ...extensions.filter((e) => e !== 'f16').map((e) => `enable ${e};`),
    ...(extensions.includes('chromium_experimental_subgroup_matrix')
      ? ['diagnostic(off, chromium.subgroup_matrix_uniformity);']
      : []),
    ...(text.includes('runtimeBits')
      ? ['var<private> noBits: u32 = 0u;', 'fn runtimeBits(bits: u32) -> u32 { return bits ^ noBits; }']
      : []),
    ...declarations,
    ...globals,
    ...(drafts.length === 1
      ? []
      : bodies.map((body, d) => `fn part${d}(wg: u32, lid: u32) {\n${indent(body, '  ')}\n}`)),
    `@compute @workgroup_size(${drafts[0]!.workgroupSize})`,
    'fn main(@builtin(workgroup_id) id: vec3u, @builtin(local_invocation_index) lid: u32) {',
    y === 1 ? '  let wg = id.x;' : `  let wg = id.x + id.y * ${x}u;\n  if (wg >= ${total}u) { return; }`,
    calls,
    '}',
  ].join('\n')
  return { label: drafts.map((d) => d.label).join(' + '), code, bindings, parameters, workgroups: [x, y] }
}
