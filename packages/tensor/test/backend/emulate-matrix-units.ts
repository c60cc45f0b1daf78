// Matrix units in plain WGSL: every lane holds its share of a unit's sums, and reads its rows and columns where they were
// loaded from. It tells whether a kernel's tiles, pitches and orders of rows and columns fit together on machines that have
// no such units.

const load =
  /let (\w+) = subgroupMatrixLoad<subgroup_matrix_(left|right)<f16, \d+, \d+>, (row|col)_major>\(&(\w+), (.*), (\w+)\);$/gm
const multiply = /(\w+) = subgroupMatrixMultiplyAccumulate\((\w+), (\w+), \w+\);$/gm
const store = /subgroupMatrixStore<row_major>\(&(\w+), (.*), (\w+), (\w+)\);$/gm
const sum = /subgroup_matrix_result<f32, (\d+), (\d+)>/g

/**
 * The shader without subgroup matrices.
 * @throws Error when a matrix is used behind a barrier: by then others may have written where it was loaded from
 */
export function emulateMatrixUnits(code: string): string {
  if (!code.includes('chromium_experimental_subgroup_matrix')) return code
  for (const part of code.split('workgroupBarrier();')) {
    const loaded = new Set([...part.matchAll(load)].map(([, name]) => name))
    for (const [, , a, b] of part.matchAll(multiply))
      if (!loaded.has(a) || !loaded.has(b)) throw new Error(`${a} or ${b} was loaded before a barrier`)
  }
  const [, columns, rows] = /subgroup_matrix_result<f32, (\d+), (\d+)>/.exec(code)!
  const [m, n] = [Number(rows), Number(columns)]
  const k = Number(/subgroup_matrix_left<f16, (\d+),/.exec(code)![1])
  const lanes = Number(/let lane = lid % (\d+)u;/.exec(code)![1])
  const share = `array<f32, ${(m * n) / lanes}>`
  // Loops of a length that the compiler does not know are not unrolled; every buffer here is longer than a unit.
  const buffer = /var<storage, \w+> (\w+):/.exec(code)![1]!
  const upTo = (length: number) => `min(${length}u, arrayLength(&${buffer}))`
  const ownElements = (body: string) => `for (var e = 0u; e < ${upTo((m * n) / lanes)}; e++) {
    let r = (e * ${lanes}u + lane) / ${n}u;
    let c = (e * ${lanes}u + lane) % ${n}u;
    ${body}
  }`
  const functions = new Map<string, string>()
  const text = code
    .replace(/^enable chromium_experimental_subgroup_matrix;$/m, '')
    .replace(/^diagnostic\(off, chromium\.subgroup_matrix_uniformity\);$/m, '')
    .replaceAll(load, (_all, name: string, side: string, order: string, shared: string, at: string, stride: string) => {
      const place = order === 'row' ? `r * ${stride} + c` : `c * ${stride} + r`
      functions.set(side, `fn ${side}_of(at: u32, r: u32, c: u32) -> f32 { return f32(${shared}[at + ${place}]); }`)
      return `let ${name} = ${at};`
    })
    .replaceAll(multiply, 'multiply_units($2, $3, &$1, lane);')
    .replaceAll(store, (_all, shared: string, at: string, name: string, stride: string) => {
      functions.set(
        'store',
        `fn store_units(at: u32, x: ptr<function, ${share}>, lane: u32) {
  ${ownElements(`${shared}[at + r * ${stride} + c] = (*x)[e];`)}
}`,
      )
      return `store_units(${at}, &${name}, lane);`
    })
    .replaceAll(sum, share)
  functions.set(
    'multiply',
    `fn multiply_units(x: u32, y: u32, z: ptr<function, ${share}>, lane: u32) {
  ${ownElements(`for (var i = 0u; i < ${upTo(k)}; i++) { (*z)[e] += left_of(x, r, i) * right_of(y, i, c); }`)}
}`,
  )
  return text.replace(/^@compute/m, `${[...functions.values()].join('\n')}\n@compute`)
}
