// Matrix units in plain WGSL: every lane holds whole matrices and does the subgroup's work again. Slow, and right: it tells
// whether a kernel's tiles, pitches and orders of rows and columns fit together on machines that have no such units.

const load =
  /let (\w+) = subgroupMatrixLoad<subgroup_matrix_(left|right)<f16, (\d+), (\d+)>, (row|col)_major>\(&(\w+), (.*)\);$/gm
const multiply = /(\w+) = subgroupMatrixMultiplyAccumulate\((\w+), (\w+), \w+\);$/gm
const store = /subgroupMatrixStore<row_major>\(&(\w+), (.*), (\w+), (\w+)\);$/gm
const sum = /subgroup_matrix_result<f32, (\d+), (\d+)>/g

/** The shader without subgroup matrices. */
export function emulateMatrixUnits(code: string): string {
  if (!code.includes('chromium_experimental_subgroup_matrix')) return code
  const functions = new Map<string, string>()
  const [, columns, rows] = /subgroup_matrix_result<f32, (\d+), (\d+)>/.exec(code)!
  const [m, n] = [Number(rows), Number(columns)]
  const k = Number(/subgroup_matrix_left<f16, (\d+),/.exec(code)![1])
  // Loops of a length that the compiler does not know are not unrolled; every buffer here is longer than a unit.
  const buffer = /var<storage, \w+> (\w+):/.exec(code)![1]!
  const upTo = (length: number | string) => `min(${length}u, arrayLength(&${buffer}))`
  const array = (length: number) => `array<f32, ${length}>`
  const text = code
    .replace(/^enable chromium_experimental_subgroup_matrix;$/m, '')
    .replace(/^diagnostic\(off, chromium\.subgroup_matrix_uniformity\);$/m, '')
    .replaceAll(
      load,
      (_all, name: string, side: string, wide: string, high: string, order: string, shared: string, rest: string) => {
        const place = order === 'row' ? 'r * stride + c' : 'c * stride + r'
        functions.set(
          `load_${side}_${order}`,
          `fn load_${side}_${order}(x: ptr<function, ${array(Number(wide) * Number(high))}>, at: u32, stride: u32) {
  for (var r = 0u; r < ${upTo(high)}; r++) { for (var c = 0u; c < ${upTo(wide)}; c++) { (*x)[r * ${wide}u + c] = f32(${shared}[at + ${place}]); } }
}`,
        )
        return `var ${name}: ${array(Number(wide) * Number(high))}; load_${side}_${order}(&${name}, ${rest});`
      },
    )
    .replaceAll(multiply, 'multiply_units(&$2, &$3, &$1);')
    .replaceAll(store, (_all, shared: string, at: string, name: string, stride: string) => {
      functions.set(
        'store',
        `fn store_units(at: u32, x: ptr<function, ${array(m * n)}>, stride: u32) {
  for (var r = 0u; r < ${upTo(m)}; r++) { for (var c = 0u; c < ${upTo(n)}; c++) { ${shared}[at + r * stride + c] = (*x)[r * ${n}u + c]; } }
}`,
      )
      return `store_units(${at}, &${name}, ${stride});`
    })
    .replaceAll(sum, array(m * n))
  functions.set(
    'multiply',
    `fn multiply_units(x: ptr<function, ${array(m * k)}>, y: ptr<function, ${array(k * n)}>, z: ptr<function, ${array(m * n)}>) {
  for (var r = 0u; r < ${upTo(m)}; r++) { for (var c = 0u; c < ${upTo(n)}; c++) {
    for (var i = 0u; i < ${upTo(k)}; i++) { (*z)[r * ${n}u + c] += (*x)[r * ${k}u + i] * (*y)[i * ${n}u + c]; }
  } }
}`,
  )
  return text.replace(/^@compute/m, `${[...functions.values()].join('\n')}\n@compute`)
}
