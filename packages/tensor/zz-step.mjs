// ../data/src/random.ts
var GOLDEN_GAMMA = 2654435769;
function mix32(value) {
  let z = value | 0;
  z = Math.imul(z ^ z >>> 16, 2246822507);
  z = Math.imul(z ^ z >>> 13, 3266489909);
  return (z ^ z >>> 16) >>> 0;
}
function deriveSeed(seed, ...path) {
  let state2 = 0;
  for (const part of [seed, ...path]) {
    if (typeof part === "string") {
      for (let i = 0; i < part.length; i++) state2 = mix32(state2 + GOLDEN_GAMMA + part.charCodeAt(i));
    } else {
      if (!Number.isSafeInteger(part)) throw new RangeError(`seed: ${part} is not an integer`);
      state2 = mix32(state2 + GOLDEN_GAMMA + (part | 0));
      const high = Math.floor(part / 2 ** 32);
      if (high !== 0 && high !== -1) state2 = mix32(state2 + GOLDEN_GAMMA + (high | 0));
    }
    state2 = mix32(state2 + 1);
  }
  return state2;
}
function randomUint32(seed, counter) {
  return mix32(seed + Math.imul(counter + 1, GOLDEN_GAMMA) | 0);
}
var Random = class {
  #counter = 0;
  #seed;
  constructor(seed) {
    this.#seed = deriveSeed(seed);
  }
  /** An integer in [0, limit), unbiased; limit in [1, 2³²]. */
  below(limit) {
    const accept = 2 ** 32 - 2 ** 32 % limit;
    for (; ; ) {
      const value = randomUint32(this.#seed, this.#counter++);
      if (value < accept) return value % limit;
    }
  }
};

// ../data/src/tokenize.ts
var IGNORED_LABEL = -100;

// ../data/src/collate.ts
var roundUp = (value, multiple) => Math.ceil(value / multiple) * multiple;
function paddedLength(length) {
  return Math.max(16, length <= 64 ? roundUp(length, 16) : roundUp(length, 32));
}
function collate(samples2, indices, options) {
  const { padId, lengthMultiple, labelMultiple, batchSize = indices.length } = options;
  if (indices.length === 0 || indices.length > batchSize) {
    throw new RangeError(`collate: ${indices.length} samples do not fit a batch of ${batchSize}`);
  }
  const chosen = indices.map((index) => {
    const sample = samples2[index];
    if (sample === void 0) throw new RangeError(`collate: no sample ${index} among ${samples2.length}`);
    return sample;
  });
  const longest = chosen.reduce((max2, { ids }) => Math.max(max2, ids.length), 1);
  const seqLen = lengthMultiple === void 0 ? paddedLength(longest) : roundUp(longest, lengthMultiple);
  const tokens = new Int32Array(batchSize * seqLen).fill(padId);
  const rows2 = [];
  const targets = [];
  let tokenCount = 0;
  chosen.forEach(({ ids, labels: labels2 }, b) => {
    tokens.set(ids, b * seqLen);
    tokenCount += ids.length;
    labels2.forEach((label, t) => {
      if (t === 0 || label === IGNORED_LABEL) return;
      rows2.push(b * seqLen + t - 1);
      targets.push(label);
    });
  });
  const slotMultiple = labelMultiple ?? Math.ceil(batchSize * seqLen / 8);
  const labelSlots = Math.max(slotMultiple, roundUp(targets.length, slotMultiple));
  const labelRows = new Int32Array(labelSlots);
  labelRows.set(rows2);
  const labels = new Int32Array(labelSlots).fill(-1);
  labels.set(targets);
  return {
    tokens,
    batchSize,
    seqLen,
    labelRows,
    labels,
    targetTokens: targets.length,
    sampleCount: chosen.length,
    tokenCount,
    samples: [...indices]
  };
}

// ../tensor/src/errors.ts
var TensorError = class extends Error {
  constructor(operation, detail) {
    super(`${operation}: ${detail}`);
    this.operation = operation;
    this.name = "TensorError";
  }
  operation;
};
function fail(operation, detail) {
  throw new TensorError(operation, detail);
}

// ../tensor/src/backend/registry.ts
var current;
function setDefaultDevice(device2) {
  const previous = current;
  current = device2;
  return previous;
}
function defaultDevice() {
  return current ?? fail("defaultDevice", "no device is open; call setDefaultDevice(await openCpuDevice()) first");
}
var numbers = /* @__PURE__ */ new WeakMap();
var count = 0;
function deviceNumber(device2) {
  let number = numbers.get(device2);
  if (number === void 0) numbers.set(device2, number = ++count);
  return number;
}
var openDefaultDevice = () => current;

// ../tensor/src/dtype.ts
var dtypeBytes = { f32: 4, f16: 2, bf16: 2, i32: 4, u32: 4, bool: 1 };
var hostArrays = {
  f32: Float32Array,
  f16: Uint16Array,
  bf16: Uint16Array,
  i32: Int32Array,
  u32: Uint32Array,
  bool: Uint8Array
};
function hostArray(dtype, size) {
  return new hostArrays[dtype](size);
}
function viewAs(dtype, bytes) {
  const width = dtypeBytes[dtype];
  const aligned2 = bytes.byteOffset % width === 0 ? bytes : bytes.slice();
  return new hostArrays[dtype](aligned2.buffer, aligned2.byteOffset, aligned2.byteLength / width);
}
var isFloat = (dtype) => dtype === "f32" || dtype === "f16" || dtype === "bf16";

// ../tensor/src/ir/print.ts
var showAval = ({ dtype, shape }) => `${dtype}[${shape.join(",")}]`;

// ../tensor/src/shape.ts
var sizeOf = (shape) => shape.reduce((n, d) => n * d, 1);
var sameShape = (a, b) => a.length === b.length && a.every((d, i) => d === b[i]);
var showShape = (shape) => `[${shape.join(",")}]`;
function normaliseAxis(operation, axis, rank) {
  const positive = axis < 0 ? axis + rank : axis;
  if (!Number.isInteger(axis) || positive < 0 || positive >= rank)
    fail(operation, `axis ${axis} is outside rank ${rank}`);
  return positive;
}
function broadcastShapes(operation, a, b) {
  const rank = Math.max(a.length, b.length);
  return Array.from({ length: rank }, (_, i) => {
    const x = a[i - (rank - a.length)] ?? 1;
    const y = b[i - (rank - b.length)] ?? 1;
    if (x !== y && x !== 1 && y !== 1) fail(operation, `shapes ${showShape(a)} and ${showShape(b)} do not broadcast`);
    return x === 1 ? y : x;
  });
}
function stridesOf(shape) {
  const strides = Array.from({ length: shape.length }, () => 1);
  for (let i = shape.length - 2; i >= 0; i--) strides[i] = strides[i + 1] * shape[i + 1];
  return strides;
}

// ../tensor/src/ir/op.ts
function input(op, inputs, index) {
  return inputs[index] ?? fail(op, `input ${index} is missing`);
}
function sameDType(op, inputs) {
  const dtype = input(op, inputs, 0).dtype;
  for (const other of inputs) if (other.dtype !== dtype) fail(op, `dtypes ${dtype} and ${other.dtype} differ`);
  return dtype;
}
function expectFloat(op, aval) {
  return isFloat(aval.dtype) ? aval : fail(op, `needs a float tensor, got ${aval.dtype}${showShape(aval.shape)}`);
}
function expectShape(op, what, aval, shape) {
  if (!sameShape(aval.shape, shape))
    fail(op, `${what} has shape ${showShape(aval.shape)}, expected ${showShape(shape)}`);
}
var unary = (inputs, _params, op) => [input(op, inputs, 0)];
var unaryFloat = (inputs, _params, op) => [expectFloat(op, input(op, inputs, 0))];
var binary = (inputs, _params, op) => {
  const dtype = sameDType(op, inputs);
  if (dtype === "bool") fail(op, "does not take bool; cast first");
  return [{ shape: broadcastShapes(op, input(op, inputs, 0).shape, input(op, inputs, 1).shape), dtype }];
};
var compare = (inputs, _params, op) => {
  sameDType(op, inputs);
  return [{ shape: broadcastShapes(op, input(op, inputs, 0).shape, input(op, inputs, 1).shape), dtype: "bool" }];
};
var logical = (inputs, _params, op) => {
  if (sameDType(op, inputs) !== "bool") fail(op, `needs bool tensors, got ${input(op, inputs, 0).dtype}`);
  return [{ shape: inputs.map((a) => a.shape).reduce((a, b) => broadcastShapes(op, a, b)), dtype: "bool" }];
};
var reduce = (inputs, { axes, keepDims }, op) => {
  const { shape, dtype } = input(op, inputs, 0);
  if (dtype === "bool") fail(op, "does not take bool; cast first");
  const kept = shape.flatMap((d, i) => axes.includes(i) ? keepDims ? [1] : [] : [d]);
  return [{ shape: kept, dtype }];
};
function dotShape(op, a, b, transposeA, transposeB) {
  if (a.shape.length < 2 || b.shape.length < 2) {
    fail(op, `needs at least 2 dimensions, got ${showShape(a.shape)}\xB7${showShape(b.shape)}`);
  }
  const [aRows, aCols] = a.shape.slice(-2);
  const [bRows, bCols] = b.shape.slice(-2);
  const [m, k] = transposeA ? [aCols, aRows] : [aRows, aCols];
  const [k2, n] = transposeB ? [bCols, bRows] : [bRows, bCols];
  const turned = (shape, transposed) => showShape(shape) + (transposed ? "\u1D40" : "");
  if (k !== k2) {
    fail(op, `inner dims ${k} \u2260 ${k2} for ${turned(a.shape, transposeA)}\xB7${turned(b.shape, transposeB)}`);
  }
  return [...broadcastShapes(op, a.shape.slice(0, -2), b.shape.slice(0, -2)), m, n];
}
function checkAttention(op, inputs, visibility) {
  const [q, k, v] = [input(op, inputs, 0), input(op, inputs, 1), input(op, inputs, 2)];
  if (q.shape.length !== 4 || k.shape.length !== 4)
    fail(op, `q and k need 4 dimensions, got ${showShape(q.shape)}, ${showShape(k.shape)}`);
  const [batch2, heads, queries, headDim] = q.shape;
  const [, kvHeads, keys] = k.shape;
  expectShape(op, "k", k, [batch2, kvHeads, keys, headDim]);
  expectShape(op, "v", v, k.shape);
  if (heads % kvHeads !== 0) fail(op, `${heads} query heads are not a multiple of ${kvHeads} kv heads`);
  if (visibility) {
    if (visibility.dtype !== "i32") fail(op, `visibility is ${visibility.dtype}, expected i32`);
    expectShape(op, "visibility", visibility, [visibility.shape[0] === 1 ? 1 : batch2, queries, 4]);
  } else if (keys < queries)
    fail(op, `causal attention needs at least as many keys as queries, got ${keys} < ${queries}`);
}
function checkLinearCrossEntropy(op, inputs) {
  const [h, w, labels] = [input(op, inputs, 0), input(op, inputs, 1), input(op, inputs, 2)];
  const [n = 0, d = 0] = h.shape;
  const [v = 0] = w.shape;
  if (h.shape.length !== 2) fail(op, `hidden rows need 2 dimensions, got ${showShape(h.shape)}`);
  expectShape(op, "weight", w, [v, d]);
  expectShape(op, "labels", labels, [n]);
  if (labels.dtype !== "i32") fail(op, `labels are ${labels.dtype}, expected i32`);
  return [n, d, v];
}
var checkKey = (op, key) => {
  if (key.dtype !== "u32" || !sameShape(key.shape, [2]))
    fail(op, `key is ${key.dtype}${showShape(key.shape)}, expected u32[2]`);
};
var shapeRules = {
  neg: unary,
  exp: unaryFloat,
  log: unaryFloat,
  sqrt: unaryFloat,
  rsqrt: unaryFloat,
  sin: unaryFloat,
  cos: unaryFloat,
  tanh: unaryFloat,
  sigmoid: unaryFloat,
  silu: unaryFloat,
  abs: unary,
  not: logical,
  add: binary,
  sub: binary,
  mul: binary,
  div: binary,
  pow: binary,
  maximum: binary,
  minimum: binary,
  eq: compare,
  lt: compare,
  le: compare,
  and: logical,
  or: logical,
  where: (inputs, _params, op) => {
    const condition = input(op, inputs, 0);
    if (condition.dtype !== "bool") fail(op, `condition is ${condition.dtype}, expected bool`);
    const dtype = sameDType(op, inputs.slice(1));
    return [{ shape: inputs.map((a) => a.shape).reduce((a, b) => broadcastShapes(op, a, b)), dtype }];
  },
  cast: (inputs, { dtype }, op) => [{ shape: input(op, inputs, 0).shape, dtype }],
  stopGradient: unary,
  barrier: unary,
  full: (_inputs, { shape, dtype }) => [{ shape, dtype }],
  literal: (_inputs, { shape, dtype, values }, op) => {
    if (values.length !== sizeOf(shape)) fail(op, `${values.length} values do not fill ${showShape(shape)}`);
    return [{ shape, dtype }];
  },
  iota: (_inputs, { shape, dtype, axis }, op) => {
    if (axis < 0 || axis >= shape.length) fail(op, `axis ${axis} is outside ${showShape(shape)}`);
    return [{ shape, dtype }];
  },
  sum: reduce,
  max: reduce,
  argmax: (inputs, { axis }, op) => [{ shape: input(op, inputs, 0).shape.filter((_, i) => i !== axis), dtype: "i32" }],
  softmax: unaryFloat,
  reshape: (inputs, { shape }, op) => {
    const from = input(op, inputs, 0);
    if (sizeOf(from.shape) !== sizeOf(shape))
      fail(op, `${showShape(from.shape)} has ${sizeOf(from.shape)} elements, ${showShape(shape)} has ${sizeOf(shape)}`);
    return [{ shape, dtype: from.dtype }];
  },
  transpose: (inputs, { permutation }, op) => {
    const { shape, dtype } = input(op, inputs, 0);
    const isPermutation = permutation.length === shape.length && new Set(permutation).size === shape.length;
    return [
      {
        shape: permutation.map(
          (p) => (isPermutation ? shape[p] : void 0) ?? fail(op, `[${permutation.join(",")}] is no permutation of rank ${shape.length}`)
        ),
        dtype
      }
    ];
  },
  broadcastTo: (inputs, { shape }, op) => {
    const from = input(op, inputs, 0);
    if (!sameShape(broadcastShapes(op, from.shape, shape), shape))
      fail(op, `${showShape(from.shape)} does not broadcast to ${showShape(shape)}`);
    return [{ shape, dtype: from.dtype }];
  },
  slice: (inputs, { starts, limits }, op) => {
    const { shape, dtype } = input(op, inputs, 0);
    const sliced = shape.map((d, i) => {
      const [start = 0, limit = d] = [starts[i], limits[i]];
      if (start < 0 || limit > d || start > limit)
        fail(op, `${start}..${limit} is outside dimension ${i} of ${showShape(shape)}`);
      return limit - start;
    });
    return [{ shape: sliced, dtype }];
  },
  pad: (inputs, { low, high }, op) => {
    const { shape, dtype } = input(op, inputs, 0);
    return [{ shape: shape.map((d, i) => d + (low[i] ?? 0) + (high[i] ?? 0)), dtype }];
  },
  concat: (inputs, { axis }, op) => {
    const first = input(op, inputs, 0);
    const dtype = sameDType(op, inputs);
    for (const other of inputs)
      expectShape(
        op,
        "input",
        other,
        first.shape.map((d, i) => i === axis ? other.shape[i] ?? d : d)
      );
    const total = inputs.reduce((n, a) => n + (a.shape[axis] ?? 0), 0);
    return [{ shape: first.shape.map((d, i) => i === axis ? total : d), dtype }];
  },
  dynamicSlice: (inputs, { axis, size }, op) => {
    const { shape, dtype } = input(op, inputs, 0);
    expectShape(op, "start", input(op, inputs, 1), []);
    if (size > (shape[axis] ?? 0)) fail(op, `size ${size} exceeds dimension ${axis} of ${showShape(shape)}`);
    return [{ shape: shape.map((d, i) => i === axis ? size : d), dtype }];
  },
  dynamicUpdateSlice: (inputs, { axis }, op) => {
    const [x, update] = [input(op, inputs, 0), input(op, inputs, 1)];
    expectShape(op, "start", input(op, inputs, 2), []);
    expectShape(
      op,
      "update",
      update,
      x.shape.map((d, i) => i === axis ? Math.min(d, update.shape[i] ?? d) : d)
    );
    return [x];
  },
  dot: (inputs, { transposeA, transposeB }, op) => {
    const dtype = sameDType(op, inputs);
    if (!isFloat(dtype)) fail(op, `needs float tensors, got ${dtype}`);
    return [{ shape: dotShape(op, input(op, inputs, 0), input(op, inputs, 1), transposeA, transposeB), dtype }];
  },
  gather: (inputs, { axis }, op) => {
    const [x, indices] = [input(op, inputs, 0), input(op, inputs, 1)];
    if (indices.dtype !== "i32") fail(op, `indices are ${indices.dtype}, expected i32`);
    return [{ shape: [...x.shape.slice(0, axis), ...indices.shape, ...x.shape.slice(axis + 1)], dtype: x.dtype }];
  },
  scatterAdd: (inputs, { size }, op) => {
    const [indices, updates] = [input(op, inputs, 0), input(op, inputs, 1)];
    const rank = indices.shape.length;
    expectShape(op, "indices", indices, updates.shape.slice(0, rank));
    return [{ shape: [size, ...updates.shape.slice(rank)], dtype: updates.dtype }];
  },
  randomUniform: (inputs, { shape }, op) => {
    checkKey(op, input(op, inputs, 0));
    return [{ shape, dtype: "f32" }];
  },
  dropout: (inputs, { rate }, op) => {
    checkKey(op, input(op, inputs, 1));
    if (!(rate >= 0 && rate < 1)) fail(op, `rate ${rate} is outside 0..1`);
    return [expectFloat(op, input(op, inputs, 0))];
  },
  rmsNorm: (inputs, _params, op) => {
    const x = expectFloat(op, input(op, inputs, 0));
    expectShape(op, "weight", input(op, inputs, 1), x.shape.slice(-1));
    return [x];
  },
  rmsNormGrad: (inputs, _params, op) => {
    const x = expectFloat(op, input(op, inputs, 0));
    expectShape(op, "cotangent", input(op, inputs, 2), x.shape);
    return [x];
  },
  rope: (inputs, _params, op) => {
    const x = expectFloat(op, input(op, inputs, 0));
    const [batch2 = 0, , seq2 = 0, headDim = 0] = x.shape;
    for (const table of [input(op, inputs, 1), input(op, inputs, 2)]) {
      expectShape(op, "cos and sin", table, [table.shape[0] === 1 ? 1 : batch2, seq2, headDim / 2]);
    }
    return [x];
  },
  attention: (inputs, _params, op) => {
    checkAttention(op, inputs, inputs[3]);
    const q = input(op, inputs, 0);
    return [q, { shape: q.shape.slice(0, 3), dtype: "f32" }];
  },
  attentionGrad: (inputs, _params, op) => {
    checkAttention(op, inputs, inputs[6]);
    return inputs.slice(0, 3);
  },
  linearCrossEntropy: (inputs, _params, op) => {
    const [n] = checkLinearCrossEntropy(op, inputs);
    return [
      { shape: [n], dtype: "f32" },
      { shape: [n], dtype: "f32" }
    ];
  },
  linearCrossEntropyGradInput: (inputs, _params, op) => {
    checkLinearCrossEntropy(op, inputs);
    return [input(op, inputs, 0)];
  },
  linearCrossEntropyGradWeight: (inputs, _params, op) => {
    checkLinearCrossEntropy(op, inputs);
    return [input(op, inputs, 1)];
  }
};
function inferAvals(op, inputs, params) {
  const rule = shapeRules[op];
  return rule(inputs, params, op);
}

// ../tensor/src/tensor.ts
var collected = new FinalizationRegistry((buffer) => buffer.device.release(buffer));
var Tensor = class _Tensor {
  constructor(aval, source, label = "") {
    this.aval = aval;
    this.label = label;
    this.traced = source.traced;
    this.#buffer = source.buffer;
    if (source.buffer) collected.register(this, source.buffer, this);
  }
  aval;
  /** For the reader of printed graphs: a weight's name. */
  label;
  #buffer;
  traced;
  static fromBuffer(buffer, label = "") {
    return new _Tensor(buffer.aval, { buffer }, label);
  }
  static fromTrace(trace, value) {
    return new _Tensor(value.aval, { traced: { trace, value } });
  }
  get shape() {
    return this.aval.shape;
  }
  get dtype() {
    return this.aval.dtype;
  }
  /** Number of elements. */
  get size() {
    return sizeOf(this.shape);
  }
  get sizeBytes() {
    return this.size * dtypeBytes[this.dtype];
  }
  get disposed() {
    return !this.traced && !this.#buffer;
  }
  /** The device buffer. Throws for traced and disposed tensors. */
  get buffer() {
    if (this.traced) fail("Tensor", `a traced ${showAval(this.aval)} has no data; return it from the jitted function`);
    return this.#buffer ?? fail("Tensor", `this ${showAval(this.aval)} was disposed or donated`);
  }
  /** Copies the elements to the host, row-major. Rejects when the program that computes them failed. */
  async data() {
    return this.buffer.device.read(this.buffer);
  }
  /** The single element of a tensor of size 1. */
  async item() {
    if (this.size !== 1) fail("item", `needs one element, got ${showAval(this.aval)}`);
    return Number((await this.data())[0]);
  }
  /** Frees the device memory now instead of when the handle is collected. Safe to call twice. */
  dispose() {
    if (!this.#buffer) return;
    collected.unregister(this);
    this.#buffer.device.release(this.#buffer);
    this.#buffer = void 0;
  }
  toString() {
    return `Tensor(${showAval(this.aval)}${this.traced ? ", traced" : ""})`;
  }
};
function flattenNumbers(data, out) {
  if (typeof data === "number") {
    out.push(data);
    return [];
  }
  const shapes = data.map((row) => flattenNumbers(row, out));
  const first = shapes[0] ?? [];
  if (shapes.some((s) => showShape(s) !== showShape(first))) fail("tensor", "rows have different lengths");
  return [data.length, ...first];
}
var inferredDType = (data) => data instanceof Float32Array ? "f32" : data instanceof Int32Array ? "i32" : data instanceof Uint32Array ? "u32" : fail("tensor", "name the dtype of 8- and 16-bit arrays");
var numberArrays = {
  f32: (n) => Float32Array.from(n),
  i32: (n) => Int32Array.from(n),
  u32: (n) => Uint32Array.from(n),
  bool: (n) => Uint8Array.from(n)
};
function tensor(data, {
  shape,
  dtype,
  device: device2 = defaultDevice(),
  label = ""
} = {}) {
  let array;
  let natural;
  if (ArrayBuffer.isView(data)) {
    array = data;
    natural = [array.length];
    dtype ??= inferredDType(array);
  } else {
    const numbers3 = [];
    natural = flattenNumbers(data, numbers3);
    dtype ??= "f32";
    array = numberArrays[dtype]?.(numbers3) ?? fail("tensor", `cannot make ${dtype} from numbers; cast an f32 tensor`);
  }
  shape ??= natural;
  if (array.length !== sizeOf(shape)) fail("tensor", `${array.length} elements do not fill ${showShape(shape)}`);
  return Tensor.fromBuffer(device2.upload(array, { shape, dtype }), label);
}

// ../tensor/src/ir/graph.ts
var leafValue = (aval) => ({ aval, node: null, index: 0 });
function makeNode(op, params, inputs, scope2 = "", region = 0) {
  const outputs = [];
  const node2 = { op, params, inputs, outputs, scope: scope2, region };
  const avals = inferAvals(
    op,
    inputs.map((v) => v.aval),
    params
  );
  avals.forEach((aval, index) => outputs.push({ aval, node: node2, index }));
  return node2;
}
var isOp = (node2, op) => node2?.op === op;
function rewrite(graph, visit) {
  const mapped = /* @__PURE__ */ new Map();
  const lookup = (value) => mapped.get(value) ?? value;
  const nodes = [];
  const emit = (node2) => (nodes.push(node2), node2);
  for (const node2 of graph.nodes) {
    const outputs = visit(node2, node2.inputs.map(lookup), emit);
    node2.outputs.forEach((old, i) => {
      const replacement = outputs[i];
      if (replacement) mapped.set(old, replacement);
    });
  }
  return { inputs: graph.inputs, constants: graph.constants, nodes, outputs: graph.outputs.map(lookup) };
}

// ../tensor/src/ir/tracer.ts
var Trace = class {
  nodes = [];
  inputs = [];
  #constants = /* @__PURE__ */ new Map();
  scope = "";
  region = 0;
  #regions = 0;
  addInput(aval) {
    const value = leafValue(aval);
    this.inputs.push(value);
    return Tensor.fromTrace(this, value);
  }
  /** The value a tensor has here; concrete tensors met on the way become constants of the graph. */
  valueOf(tensor2) {
    if (tensor2.traced) {
      if (tensor2.traced.trace !== this)
        fail(
          "trace",
          `a ${showAval(tensor2.aval)} of another trace is used here; return it from the function that made it`
        );
      return tensor2.traced.value;
    }
    let value = this.#constants.get(tensor2);
    if (!value) this.#constants.set(tensor2, value = leafValue(tensor2.buffer.aval));
    return value;
  }
  isConstant(value) {
    return !value.node && !this.inputs.includes(value);
  }
  record(op, inputs, params) {
    const node2 = makeNode(
      op,
      params,
      inputs.map((t) => this.valueOf(t)),
      this.scope,
      this.region
    );
    this.nodes.push(node2);
    return node2.outputs.map((value) => Tensor.fromTrace(this, value));
  }
  newRegion() {
    return ++this.#regions;
  }
  finish(outputs) {
    const outputValues = outputs.map((t) => this.valueOf(t));
    const constants = [...this.#constants].map(([tensor2, value]) => ({ tensor: tensor2, value }));
    return { inputs: this.inputs, constants, nodes: this.nodes, outputs: outputValues };
  }
};
var active;
var activeTrace = () => active;
function withTrace(trace, body) {
  const previous = active;
  active = trace;
  try {
    return body();
  } finally {
    active = previous;
  }
}
function scope(name, body) {
  const trace = active;
  if (!trace) return body();
  const outer = trace.scope;
  trace.scope = outer === "" ? name : `${outer}/${name}`;
  try {
    return body();
  } finally {
    trace.scope = outer;
  }
}

// ../tensor/src/autodiff/checkpoint.ts
function checkpoint(fn) {
  return (...args) => {
    const trace = activeTrace();
    if (!trace || trace.region !== 0) return fn(...args);
    trace.region = trace.newRegion();
    try {
      return fn(...args);
    } finally {
      trace.region = 0;
    }
  };
}

// ../tensor/src/ir/key.ts
var keyOf = (value) => JSON.stringify(
  value,
  (_key, x) => typeof x === "number" && (!Number.isFinite(x) || Object.is(x, -0)) ? `#${Object.is(x, -0) ? "-0" : x}` : x
) ?? "";

// ../tensor/src/tree.ts
function walk(tree, leaf, note) {
  if (tree instanceof Tensor) {
    note("*");
    return leaf(tree);
  }
  if (Array.isArray(tree)) {
    note("[");
    const out = tree.map((child) => walk(child, leaf, note));
    note("]");
    return out;
  }
  if (tree !== null && typeof tree === "object") {
    const prototype = Object.getPrototypeOf(tree);
    if (prototype !== Object.prototype && prototype !== null)
      fail("tree", `only tensors, arrays and plain objects can be passed, got ${tree.constructor.name}`);
    note("{");
    const out = {};
    for (const [key, child] of Object.entries(tree)) {
      note(`${JSON.stringify(key)}:`);
      out[key] = walk(child, leaf, note);
    }
    note("}");
    return out;
  }
  note(`${typeof tree}:${keyOf(tree)},`);
  return tree;
}
function flatten(tree) {
  const leaves = [];
  let structure = "";
  walk(
    tree,
    (t) => (leaves.push(t), t),
    (text) => structure += text
  );
  return {
    leaves,
    structure,
    unflatten: (replacements) => {
      let next = 0;
      return walk(
        tree,
        () => replacements[next++] ?? fail("tree", `needs ${leaves.length} leaves, got ${replacements.length}`),
        () => {
        }
      );
    }
  };
}
function treeMap(f, tree) {
  const flat = flatten(tree);
  return flat.unflatten(flat.leaves.map(f));
}
var treeLeaves = (tree) => flatten(tree).leaves;

// ../tensor/src/jit/passes/cse.ts
function removeCommonSubexpressions(graph) {
  const ids = /* @__PURE__ */ new Map();
  const idOf = (value) => ids.get(value) ?? (ids.set(value, ids.size), ids.size - 1);
  const seen2 = /* @__PURE__ */ new Map();
  return rewrite(graph, (node2, inputs, emit) => {
    const key = `${node2.op}(${inputs.map(idOf).join(",")})${keyOf(node2.params)}`;
    const known = seen2.get(key);
    if (known) return known;
    const unchanged = inputs.every((v, i) => v === node2.inputs[i]);
    const { outputs } = emit(unchanged ? node2 : makeNode(node2.op, node2.params, inputs, node2.scope, node2.region));
    seen2.set(key, outputs);
    return outputs;
  });
}

// ../tensor/src/jit/passes/dce.ts
function removeDeadCode(graph) {
  const needed = new Set(graph.outputs);
  const kept = [];
  for (const node2 of [...graph.nodes].reverse()) {
    if (!node2.outputs.some((v) => needed.has(v))) continue;
    node2.inputs.forEach((v) => needed.add(v));
    kept.push(node2);
  }
  return { ...graph, constants: graph.constants.filter((c) => needed.has(c.value)), nodes: kept.reverse() };
}

// ../tensor/src/jit/execute.ts
var simplify = (graph) => removeDeadCode(removeCommonSubexpressions(graph));
function deviceOf(tensors) {
  const first = tensors[0];
  if (!first) return defaultDevice();
  const { device: device2 } = first.buffer;
  for (const t of tensors)
    if (t.buffer.device !== device2)
      fail("jit", `inputs are on different devices: ${device2.name} and ${t.buffer.device.name}`);
  return device2;
}
function compileGraph(traced, inputs, options = {}) {
  const graph = simplify(traced);
  const device2 = deviceOf([...inputs, ...graph.constants.map((c) => c.tensor)]);
  return { graph, device: device2, executable: device2.compile(graph, options) };
}
function runProgram({ graph, executable }, inputs) {
  inputs.forEach((t, i) => {
    const expected = graph.inputs[i]?.aval;
    if (!expected || showAval(expected) !== showAval(t.aval))
      fail("jit", `input ${i} is ${showAval(t.aval)}, expected ${expected ? showAval(expected) : "nothing"}`);
  });
  return executable.run(inputs.map((t) => t.buffer)).map((buffer) => Tensor.fromBuffer(buffer));
}

// ../tensor/src/jit/jit.ts
function traceFlat(fn, args) {
  const trace = new Trace();
  return withTrace(trace, () => {
    const traced = args.unflatten(args.leaves.map((leaf) => trace.addInput(leaf.aval)));
    const result = fn(...traced);
    if (result instanceof Promise) fail("jit", "the function is async; tracing needs a plain function");
    const flat = flatten(result);
    return { graph: trace.finish(flat.leaves), result: flat };
  });
}
function jit(fn, { donate = [], maxPrograms = 64 } = {}) {
  const cache = /* @__PURE__ */ new Map();
  function lookup(flat, args) {
    const device2 = flat.leaves[0]?.buffer.device ?? openDefaultDevice();
    const key = `${device2 ? deviceNumber(device2) : ""}|${flat.structure}|${flat.leaves.map((t) => showAval(t.aval)).join(",")}`;
    let compiled = cache.get(key);
    if (compiled) cache.delete(key);
    else {
      const { graph, result } = traceFlat(fn, flat);
      compiled = {
        program: compileGraph(graph, flat.leaves, { donated: donatedLeaves(args) }),
        unflatten: result.unflatten
      };
    }
    cache.set(key, compiled);
    for (const [oldest, { program }] of cache) {
      if (cache.size <= maxPrograms) break;
      program.executable.release();
      cache.delete(oldest);
    }
    return compiled;
  }
  function donatedLeaves(args) {
    let first = 0;
    return args.flatMap((arg, position) => {
      const count2 = flatten(arg).leaves.length;
      const positions = donate.includes(position) ? Array.from({ length: count2 }, (_, i) => first + i) : [];
      first += count2;
      return positions;
    });
  }
  const call = (...args) => {
    if (activeTrace()) return fn(...args);
    const flat = flatten(args);
    const { program, unflatten } = lookup(flat, args);
    const outputs = runProgram(program, flat.leaves);
    for (const position of donate) for (const leaf of flatten(args[position]).leaves) leaf.dispose();
    return unflatten(outputs);
  };
  return Object.defineProperties(call, {
    compile: { value: (...args) => lookup(flatten(args), args).program.executable.ready },
    programs: { get: () => cache.size },
    dispose: {
      value: () => {
        for (const { program } of cache.values()) program.executable.release();
        cache.clear();
      }
    }
  });
}

// ../tensor/src/ops/apply.ts
var eagerPrograms = /* @__PURE__ */ new WeakMap();
function runEagerly(op, inputs, params) {
  const device2 = inputs[0]?.buffer.device ?? defaultDevice();
  let programs = eagerPrograms.get(device2);
  if (!programs) eagerPrograms.set(device2, programs = /* @__PURE__ */ new Map());
  const key = `${op}(${inputs.map((t) => showAval(t.aval)).join(",")})${keyOf(params)}`;
  let program = programs.get(key);
  if (!program) {
    const trace = new Trace();
    const outputs = trace.record(
      op,
      inputs.map((t) => trace.addInput(t.aval)),
      params
    );
    programs.set(key, program = compileGraph(trace.finish(outputs), inputs));
  }
  return runProgram(program, inputs);
}
function applyAll(op, inputs, params) {
  const trace = activeTrace();
  if (trace) return trace.record(op, inputs, params);
  const leaked = inputs.find((t) => t.traced);
  if (leaked) fail(op, `a traced ${showAval(leaked.aval)} is used outside the function that was traced`);
  return runEagerly(op, inputs, params);
}
function apply(op, inputs, params) {
  return applyAll(op, inputs, params)[0] ?? fail(op, "has no output");
}
function lift(value, like) {
  if (value instanceof Tensor) return value;
  if (activeTrace()) return apply("full", [], { shape: [], dtype: like.dtype, value });
  return like.dtype === "f16" || like.dtype === "bf16" ? apply("full", [], { shape: [], dtype: like.dtype, value }) : tensor(value, { dtype: like.dtype, device: like.buffer.device });
}

// ../tensor/src/ops/create.ts
var full = (shape, value, dtype = "f32") => apply("full", [], { shape, dtype, value });
var zeros = (shape, dtype = "f32") => full(shape, 0, dtype);
var zerosLike = (x) => full(x.shape, 0, x.dtype);
var literal = (values, shape = [values.length], dtype = "f32") => apply("literal", [], { shape, dtype, values });
var iota = (shape, axis, dtype = "i32") => apply("iota", [], { shape, dtype, axis });
var arange = (size, dtype = "i32") => iota([size], 0, dtype);

// ../tensor/src/ops/elementwise.ts
function binary2(op, a, b) {
  if (typeof a === "number") return apply(op, [lift(a, b), b], {});
  return apply(op, [a, lift(b, a)], {});
}
var neg = (x) => apply("neg", [x], {});
var exp = (x) => apply("exp", [x], {});
var log = (x) => apply("log", [x], {});
var sqrt = (x) => apply("sqrt", [x], {});
var rsqrt = (x) => apply("rsqrt", [x], {});
var sin = (x) => apply("sin", [x], {});
var cos = (x) => apply("cos", [x], {});
var sigmoid = (x) => apply("sigmoid", [x], {});
var add = (a, b) => binary2("add", a, b);
var sub = (a, b) => binary2("sub", a, b);
var mul = (a, b) => binary2("mul", a, b);
var div = (a, b) => binary2("div", a, b);
var pow = (a, b) => binary2("pow", a, b);
var maximum = (a, b) => binary2("maximum", a, b);
var eq = (a, b) => binary2("eq", a, b);
var lt = (a, b) => binary2("lt", a, b);
var le = (a, b) => binary2("le", a, b);
var ge = (a, b) => binary2("le", b, a);
var logicalAnd = (a, b) => apply("and", [a, b], {});
var logicalOr = (a, b) => apply("or", [a, b], {});
function where(condition, a, b) {
  const like = typeof a === "number" ? b : a;
  return apply("where", [condition, lift(a, like), lift(b, like)], {});
}
var cast = (x, dtype) => x.dtype === dtype ? x : apply("cast", [x], { dtype });
var square = (x) => mul(x, x);

// ../tensor/src/ops/movement.ts
function reshape(x, shape) {
  const known = shape.reduce((n, d) => d === -1 ? n : n * d, 1);
  if (shape.filter((d) => d === -1).length > 1 || shape.includes(-1) && x.size % known !== 0)
    fail("reshape", `cannot infer ${showShape(shape)} from ${showShape(x.shape)}`);
  const full2 = shape.map((d) => d === -1 ? x.size / known : d);
  return sameShape(full2, x.shape) ? x : apply("reshape", [x], { shape: full2 });
}
function transpose(x, permutation = x.shape.map((_, i) => x.shape.length - 1 - i)) {
  return permutation.every((p, i) => p === i) && permutation.length === x.shape.length ? x : apply("transpose", [x], { permutation });
}
var broadcastTo = (x, shape) => sameShape(x.shape, shape) ? x : apply("broadcastTo", [x], { shape });
function slice(x, starts, limits) {
  return starts.every((s) => s === 0) && sameShape(limits, x.shape) ? x : apply("slice", [x], { starts, limits });
}
function sliceAxis(x, axis, start, limit) {
  const at2 = normaliseAxis("slice", axis, x.shape.length);
  return slice(
    x,
    x.shape.map((_, i) => i === at2 ? start : 0),
    x.shape.map((d, i) => i === at2 ? limit : d)
  );
}
var pad = (x, low, high, value = 0) => low.every((n) => n === 0) && high.every((n) => n === 0) ? x : apply("pad", [x], { low, high, value });
function concat(parts, axis = 0) {
  const first = parts[0] ?? fail("concat", "needs at least one tensor");
  return parts.length === 1 ? first : apply("concat", parts, { axis: normaliseAxis("concat", axis, first.shape.length) });
}
var dynamicSlice = (x, start, axis, size) => apply("dynamicSlice", [x, start], { axis, size });
var dynamicUpdateSlice = (x, update, start, axis) => apply("dynamicUpdateSlice", [x, update, start], { axis });
var stopGradient = (x) => apply("stopGradient", [x], {});
function sumToShape(x, shape) {
  if (sameShape(x.shape, shape)) return x;
  const lead = x.shape.length - shape.length;
  const axes = x.shape.flatMap((d, i) => i < lead || shape[i - lead] === 1 && d !== 1 ? [i] : []);
  const summed = axes.length === 0 ? x : apply("sum", [x], { axes, keepDims: false });
  return sizeOf(summed.shape) === sizeOf(shape) ? reshape(summed, shape) : fail("sumToShape", `${showShape(x.shape)} was not broadcast from ${showShape(shape)}`);
}

// ../tensor/src/ops/indexing.ts
var gather = (x, indices, axis = 0) => apply("gather", [x, indices], { axis: normaliseAxis("gather", axis, x.shape.length) });
var scatterAdd = (indices, updates, size) => apply("scatterAdd", [indices, updates], { size });
function pick(x, indices) {
  const [n = 0, m = 0] = x.shape;
  return gather(reshape(x, [n * m]), add(mul(arange(n), m), indices));
}

// ../tensor/src/ops/linalg.ts
var dot = (a, b, { transposeA = false, transposeB = false } = {}) => apply("dot", [a, b], { transposeA, transposeB });
var linear = (x, weight) => dot(x, weight, { transposeB: true });

// ../tensor/src/ops/reduce.ts
function axesOf(op, x, axis) {
  const axes = axis === void 0 ? x.shape.map((_, i) => i) : typeof axis === "number" ? [axis] : axis;
  return axes.map((a) => normaliseAxis(op, a, x.shape.length)).sort((a, b) => a - b);
}
var sum = (x, { axis, keepDims = false } = {}) => apply("sum", [x], { axes: axesOf("sum", x, axis), keepDims });
var max = (x, { axis, keepDims = false } = {}) => apply("max", [x], { axes: axesOf("max", x, axis), keepDims });
function mean(x, options = {}) {
  const count2 = axesOf("mean", x, options.axis).reduce((n, a) => n * x.shape[a], 1);
  return mul(sum(x, options), 1 / count2);
}
var softmax = (x) => apply("softmax", [x], {});
function logSumExp(x, { axis = -1, keepDims = false } = {}) {
  const shift = stopGradient(max(x, { axis, keepDims: true }));
  const summed = log(sum(exp(sub(x, shift)), { axis, keepDims }));
  return add(summed, keepDims ? shift : sum(shift, { axis }));
}

// ../tensor/src/ops/random.ts
var mix = (x) => {
  x = Math.imul(x ^ x >>> 16, 2146121005);
  x = Math.imul(x ^ x >>> 15, 2221713035);
  return (x ^ x >>> 16) >>> 0;
};
function keyWords(...parts) {
  let [a, b] = [608135816, 2242054355];
  for (const part of parts) {
    a = mix((a ^ part) + 2654435769);
    b = mix(b + Math.imul(part, 2246822507) ^ a);
  }
  return [a, b];
}
var randomUniform = (key, shape, stream = 0) => apply("randomUniform", [key], { shape, stream });

// ../tensor/src/nn/decompositions.ts
var at = (inputs, i) => inputs[i] ?? fail("decompose", `input ${i} is missing`);
var queryBlock = 128;
function maskFromVisibility(visibility, keys) {
  const [batch2 = 1, queries = 0] = visibility.shape;
  const column = (i) => sliceAxis(visibility, 2, i, i + 1);
  const j = iota([1, 1, keys], 2);
  const inside = logicalAnd(le(column(1), j), le(j, column(0)));
  const seen2 = logicalAnd(inside, logicalOr(lt(j, column(2)), ge(j, column(3))));
  return reshape(where(seen2, full([], 0), -Infinity), [batch2, 1, queries, keys]);
}
function causalMask(queries, keys) {
  const seen2 = le(iota([queries, keys], 1), add(iota([queries, keys], 0), keys - queries));
  return where(seen2, full([], 0), -Infinity);
}
function attentionBlocks(queries, keys, causal) {
  if (!causal || queries === 1) return [{ from: 0, to: queries, keys }];
  const blocks = [];
  const count2 = Math.max(1, Math.round(queries / queryBlock));
  const size = Math.ceil(queries / count2);
  for (let from = 0; from < queries; from += size) {
    const to = Math.min(queries, from + size);
    blocks.push({ from, to, keys: keys - queries + to });
  }
  return blocks;
}
function blockScores(q, k, scale, mask) {
  const [batch2 = 0, heads = 0, rows2 = 0, headDim = 0] = q.shape;
  const [, kvHeads = 0, keys = 0] = k.shape;
  const group = heads / kvHeads;
  const scores = mul(dot(reshape(q, [batch2, kvHeads, group * rows2, headDim]), k, { transposeB: true }), scale);
  return add(reshape(scores, [batch2, heads, rows2, keys]), mask);
}
function eachBlock(inputs, scale, body) {
  const { visibility } = inputs;
  const queries = inputs.q.shape[2];
  const allKeys = inputs.k.shape[2];
  const mask = visibility && maskFromVisibility(visibility, allKeys);
  return attentionBlocks(queries, allKeys, !visibility).map(({ from, to, keys }) => {
    const q = sliceAxis(inputs.q, 2, from, to);
    const k = sliceAxis(inputs.k, 2, 0, keys);
    const v = sliceAxis(inputs.v, 2, 0, keys);
    const scores = blockScores(q, k, scale, mask ?? causalMask(to - from, keys));
    const [batch2 = 0, kvHeads = 0] = k.shape;
    return body({ q, k, v, scores, p: reshape(softmax(scores), [batch2, kvHeads, -1, keys]), from, to });
  });
}
function addKeyBlocks(blocks) {
  return blocks.reduce((shorter, longer) => {
    const [have, want] = [shorter.shape[3], longer.shape[3]];
    if (have === want) return add(shorter, longer);
    return concat([add(shorter, sliceAxis(longer, 3, 0, have)), sliceAxis(longer, 3, have, want)], 3);
  });
}
var headRows = 256;
function eachHeadBlock(inputs, body) {
  const [hidden, w, allLabels] = [at(inputs, 0), at(inputs, 1), at(inputs, 2)];
  const count2 = hidden.shape[0];
  return Array.from({ length: Math.ceil(count2 / headRows) }, (_, block) => {
    const [from, to] = [block * headRows, Math.min(count2, (block + 1) * headRows)];
    const h = sliceAxis(hidden, 0, from, to);
    const labels = sliceAxis(allLabels, 0, from, to);
    const has = le(full([], 0, "i32"), labels);
    const logits2 = dot(h, w, { transposeB: true });
    const weigh = (g) => reshape(where(has, sliceAxis(g, 0, from, to), 0), [to - from, 1]);
    return body({ h, labels, has, safe: where(has, labels, 0), logits: logits2, probabilities: softmax(logits2), weigh });
  });
}
function headLoss({ logits: logits2, probabilities, has, safe }) {
  const logSum = sub(max(logits2, { axis: 1 }), log(max(probabilities, { axis: 1 })));
  return { loss: where(has, sub(logSum, pick(logits2, safe)), 0), logSum };
}
var decompositions = {
  silu: ([x]) => [mul(x, sigmoid(x))],
  dropout: (inputs, { rate, stream }) => {
    const x = at(inputs, 0);
    const keep = le(full([], Math.round(rate * 2 ** 24) / 2 ** 24), randomUniform(at(inputs, 1), x.shape, stream));
    return [where(keep, mul(x, 1 / (1 - rate)), 0)];
  },
  rmsNorm: (inputs, { epsilon }) => {
    const [x, w] = [at(inputs, 0), at(inputs, 1)];
    const inverse = rsqrt(add(mean(mul(x, x), { axis: -1, keepDims: true }), epsilon));
    return [mul(mul(x, inverse), w)];
  },
  // dx = r·(w∘g) − x·r³·mean(x∘w∘g), r = 1/√(mean(x²)+ε)
  rmsNormGrad: (inputs, { epsilon }) => {
    const [x, w, g] = [at(inputs, 0), at(inputs, 1), at(inputs, 2)];
    const r = rsqrt(add(mean(mul(x, x), { axis: -1, keepDims: true }), epsilon));
    const wg = mul(w, g);
    const projection = mul(mean(mul(x, wg), { axis: -1, keepDims: true }), mul(mul(r, r), r));
    return [sub(mul(wg, r), mul(x, projection))];
  },
  rope: (inputs) => {
    const x = at(inputs, 0);
    const [batch2 = 0, , seq2 = 0, headDim = 0] = x.shape;
    const half = headDim / 2;
    const [c, s] = [at(inputs, 1), at(inputs, 2)].map(
      (t) => reshape(t, [t.shape[0] === 1 ? 1 : batch2, 1, seq2, half])
    );
    const [a, b] = [sliceAxis(x, 3, 0, half), sliceAxis(x, 3, half, headDim)];
    return [concat([sub(mul(a, c), mul(b, s)), add(mul(b, c), mul(a, s))], 3)];
  },
  attention: (inputs, { scale }) => {
    const [q, k, v] = [at(inputs, 0), at(inputs, 1), at(inputs, 2)];
    const [batch2 = 0, heads = 0, , headDim = 0] = q.shape;
    const blocks = eachBlock({ q, k, v, visibility: inputs[3] }, scale, (block) => ({
      out: reshape(dot(block.p, block.v), [batch2, heads, block.to - block.from, headDim]),
      logSum: logSumExp(block.scores)
    }));
    return [
      concat(
        blocks.map((b) => b.out),
        2
      ),
      concat(
        blocks.map((b) => b.logSum),
        2
      )
    ];
  },
  attentionGrad: (inputs, { scale }) => {
    const [q, k, v, o, , g] = [0, 1, 2, 3, 4, 5].map((i) => at(inputs, i));
    const [batch2 = 0, heads = 0] = q.shape;
    const kvHeads = k.shape[1];
    const fold = (x) => reshape(x, [batch2, kvHeads, heads / kvHeads * x.shape[2], x.shape[3]]);
    const rowDot = sum(mul(g, o), { axis: -1, keepDims: true });
    const blocks = eachBlock({ q, k, v, visibility: inputs[6] }, scale, (block) => {
      const gBlock = fold(sliceAxis(g, 2, block.from, block.to));
      const dProbabilities = dot(gBlock, block.v, { transposeB: true });
      const dScores = mul(block.p, sub(dProbabilities, fold(sliceAxis(rowDot, 2, block.from, block.to))));
      return {
        dq: reshape(mul(dot(dScores, block.k), scale), block.q.shape),
        // As dkᵀ = qᵀ dS and dvᵀ = gᵀ P: turning the narrow operand costs a third less than turning the scores.
        dk: mul(dot(fold(block.q), dScores, { transposeA: true }), scale),
        dv: dot(gBlock, block.p, { transposeA: true })
      };
    });
    return [
      concat(
        blocks.map((b) => b.dq),
        2
      ),
      transpose(addKeyBlocks(blocks.map((b) => b.dk)), [0, 1, 3, 2]),
      transpose(addKeyBlocks(blocks.map((b) => b.dv)), [0, 1, 3, 2])
    ];
  },
  linearCrossEntropy: (inputs) => {
    const blocks = eachHeadBlock(inputs, headLoss);
    return [concat(blocks.map((b) => b.loss)), concat(blocks.map((b) => b.logSum))];
  },
  // dh = g∘(softmax(h Wᵀ) W − W[label])
  linearCrossEntropyGradInput: (inputs) => {
    const [w, g] = [at(inputs, 1), at(inputs, 4)];
    const blocks = eachHeadBlock(inputs, (b) => {
      const p = apply("barrier", [b.probabilities, headLoss(b).loss], {});
      return mul(sub(dot(p, w), gather(w, b.safe)), b.weigh(g));
    });
    return [concat(blocks)];
  },
  // dW = softmaxᵀ (g∘h) − rows of g∘h added at their labels
  linearCrossEntropyGradWeight: (inputs) => {
    const [w, g] = [at(inputs, 1), at(inputs, 4)];
    const blocks = eachHeadBlock(inputs, (b) => {
      const weighted = mul(b.h, b.weigh(g));
      return { safe: b.safe, weighted, dense: dot(b.probabilities, weighted, { transposeA: true }) };
    });
    const added = scatterAdd(concat(blocks.map((b) => b.safe)), concat(blocks.map((b) => b.weighted)), w.shape[0]);
    return [
      sub(
        blocks.map((b) => b.dense).reduce((a, b) => add(a, b)),
        added
      )
    ];
  }
};
var isFused = (op) => op in decompositions;

// ../tensor/src/nn/norm.ts
var rmsNorm = (x, weight, epsilon) => apply("rmsNorm", [x, weight], { epsilon });

// ../tensor/src/nn/rope.ts
var rope = (x, cos2, sin2) => apply("rope", [x, cos2, sin2], {});

// ../tensor/src/autodiff/vjp-rules.ts
var none = () => [];
var isDifferentiable = (op) => vjpRules[op] !== none;
var elementwise = (...rules) => (g, context) => rules.map((rule, i) => context.needs(i) ? sumToShape(rule(g, context), context.input(i).shape) : void 0);
var winner = (wins) => elementwise(
  (g, x) => where(wins(x.input(0), x.input(1)), g, where(eq(x.input(0), x.input(1)), mul(g, 0.5), 0)),
  (g, x) => where(wins(x.input(1), x.input(0)), g, where(eq(x.input(0), x.input(1)), mul(g, 0.5), 0))
);
var restoreAxes = (g, shape, axes) => reshape(
  g,
  shape.map((d, i) => axes.includes(i) ? 1 : d)
);
var axesFirst = (rank, from, count2) => {
  const moved = Array.from({ length: count2 }, (_, i) => from + i);
  return [...moved, ...Array.from({ length: rank }, (_, i) => i).filter((i) => !moved.includes(i))];
};
function dotVjp(g, { params: { transposeA: tA, transposeB: tB }, input: input2, needs }) {
  const [a, b] = [input2(0), input2(1)];
  const da = () => tA ? dot(b, g, { transposeA: tB, transposeB: true }) : dot(g, b, { transposeB: !tB });
  const db = () => {
    if (b.shape.length === 2 && a.shape.length > 2 && !tA) {
      const [rows2, grows] = [reshape(a, [-1, a.shape.at(-1)]), reshape(g, [-1, g.shape.at(-1)])];
      return tB ? dot(grows, rows2, { transposeA: true }) : dot(rows2, grows, { transposeA: true });
    }
    return tB ? dot(g, a, { transposeA: true, transposeB: tA }) : dot(a, g, { transposeA: !tA });
  };
  return [needs(0) ? sumToShape(da(), a.shape) : void 0, needs(1) ? sumToShape(db(), b.shape) : void 0];
}
var vjpRules = {
  neg: (g) => [neg(g)],
  exp: (g, { output }) => [mul(g, output(0))],
  log: (g, { input: input2 }) => [div(g, input2(0))],
  sqrt: (g, { output }) => [div(mul(g, 0.5), output(0))],
  rsqrt: (g, { output }) => [mul(mul(g, -0.5), mul(output(0), square(output(0))))],
  sin: (g, { input: input2 }) => [mul(g, cos(input2(0)))],
  cos: (g, { input: input2 }) => [neg(mul(g, sin(input2(0))))],
  tanh: (g, { output }) => [mul(g, sub(1, square(output(0))))],
  sigmoid: (g, { output }) => [mul(g, mul(output(0), sub(1, output(0))))],
  // x·σ(x) has the slope σ + y(1 − σ): of what the forward pass made, only σ and y are kept.
  silu: (g, { input: input2, output }) => {
    const s = sigmoid(input2(0));
    return [mul(g, add(s, mul(output(0), sub(1, s))))];
  },
  abs: (g, { input: input2 }) => [where(lt(input2(0), 0), neg(g), g)],
  not: none,
  add: elementwise(
    (g) => g,
    (g) => g
  ),
  sub: elementwise(
    (g) => g,
    (g) => neg(g)
  ),
  mul: elementwise(
    (g, x) => mul(g, x.input(1)),
    (g, x) => mul(g, x.input(0))
  ),
  div: elementwise(
    (g, x) => div(g, x.input(1)),
    (g, x) => neg(div(mul(g, x.output(0)), x.input(1)))
  ),
  pow: elementwise(
    (g, x) => mul(g, mul(x.input(1), pow(x.input(0), sub(x.input(1), 1)))),
    (g, x) => mul(g, mul(x.output(0), log(x.input(0))))
  ),
  maximum: winner((a, b) => lt(b, a)),
  minimum: winner((a, b) => lt(a, b)),
  eq: none,
  lt: none,
  le: none,
  and: none,
  or: none,
  where: (g, { input: input2, needs }) => [
    void 0,
    needs(1) ? sumToShape(where(input2(0), g, 0), input2(1).shape) : void 0,
    needs(2) ? sumToShape(where(input2(0), 0, g), input2(2).shape) : void 0
  ],
  cast: (g, { input: input2 }) => [isFloat(input2(0).dtype) ? cast(g, input2(0).dtype) : void 0],
  stopGradient: none,
  barrier: (g) => [g],
  full: none,
  literal: none,
  iota: none,
  sum: (g, { input: input2, params }) => [broadcastTo(restoreAxes(g, input2(0).shape, params.axes), input2(0).shape)],
  max: (g, { input: input2, output, params }) => {
    const x = input2(0);
    const hit = cast(eq(x, restoreAxes(output(0), x.shape, params.axes)), x.dtype);
    const ties = sum(hit, { axis: params.axes, keepDims: true });
    return [mul(hit, div(restoreAxes(g, x.shape, params.axes), ties))];
  },
  argmax: none,
  softmax: (g, { output }) => {
    const gy = mul(g, output(0));
    return [sub(gy, mul(output(0), sum(gy, { axis: -1, keepDims: true })))];
  },
  reshape: (g, { input: input2 }) => [reshape(g, input2(0).shape)],
  transpose: (g, { params: { permutation } }) => [
    transpose(
      g,
      permutation.map((_, i) => permutation.indexOf(i))
    )
  ],
  broadcastTo: (g, { input: input2 }) => [sumToShape(g, input2(0).shape)],
  slice: (g, { input: input2, params: { starts, limits } }) => [
    pad(
      g,
      starts,
      input2(0).shape.map((d, i) => d - limits[i])
    )
  ],
  pad: (g, { input: input2, params: { low } }) => [
    slice(
      g,
      low,
      input2(0).shape.map((d, i) => low[i] + d)
    )
  ],
  concat: (g, { input: input2, needs, params: { axis } }) => {
    const cotangents = [];
    for (let i = 0, from = 0; from < g.shape[axis]; i++) {
      const to = from + input2(i).shape[axis];
      cotangents.push(needs(i) ? sliceAxis(g, axis, from, to) : void 0);
      from = to;
    }
    return cotangents;
  },
  dynamicSlice: (g, { input: input2, params: { axis } }) => [dynamicUpdateSlice(zerosLike(input2(0)), g, input2(1), axis)],
  dynamicUpdateSlice: (g, { input: input2, needs, params: { axis } }) => [
    needs(0) ? dynamicUpdateSlice(g, zerosLike(input2(1)), input2(2), axis) : void 0,
    needs(1) ? dynamicSlice(g, input2(2), axis, input2(1).shape[axis]) : void 0
  ],
  dot: dotVjp,
  gather: (g, { input: input2, params: { axis } }) => {
    const [x, indices] = [input2(0), input2(1)];
    const rows2 = transpose(g, axesFirst(g.shape.length, axis, indices.shape.length));
    const added = scatterAdd(indices, rows2, x.shape[axis]);
    const back = axesFirst(x.shape.length, axis, 1);
    return [
      transpose(
        added,
        back.map((_, i) => back.indexOf(i))
      )
    ];
  },
  scatterAdd: (g, { input: input2 }) => [void 0, gather(g, input2(0))],
  randomUniform: none,
  dropout: (g, { input: input2, params }) => [apply("dropout", [g, input2(1)], params)],
  rmsNorm: (g, { input: input2, needs, params }) => {
    const [x, w] = [input2(0), input2(1)];
    return [
      needs(0) ? apply("rmsNormGrad", [x, w, g], params) : void 0,
      needs(1) ? sumToShape(mul(g, rmsNorm(x, full(w.shape, 1, w.dtype), params.epsilon)), w.shape) : void 0
    ];
  },
  rope: (g, { input: input2, needs }) => {
    if (needs(1) || needs(2)) fail("rope", "cos and sin are not differentiable");
    return [rope(g, input2(1), neg(input2(2)))];
  },
  attention: (g, { input: input2, output, params, inputCount }) => {
    const extra = inputCount > 3 ? [input2(3)] : [];
    return applyAll("attentionGrad", [input2(0), input2(1), input2(2), output(0), output(1), g, ...extra], params);
  },
  linearCrossEntropy: (g, { input: input2, output, needs }) => {
    const inputs = [input2(0), input2(1), input2(2), output(1), g];
    return [
      needs(0) ? apply("linearCrossEntropyGradInput", inputs, {}) : void 0,
      needs(1) ? apply("linearCrossEntropyGradWeight", inputs, {}) : void 0
    ];
  },
  rmsNormGrad: "decompose",
  attentionGrad: "decompose",
  linearCrossEntropyGradInput: "decompose",
  linearCrossEntropyGradWeight: "decompose"
};

// ../tensor/src/autodiff/backward.ts
function dependents(nodes, sources) {
  const dependent = new Set(sources);
  for (const node2 of nodes) {
    if (isDifferentiable(node2.op) && node2.inputs.some((v) => dependent.has(v)))
      node2.outputs.forEach((v) => dependent.add(v));
  }
  return dependent;
}
var Recompute = class {
  constructor(trace, region, token) {
    this.trace = trace;
    this.region = region;
    this.token = token;
  }
  trace;
  region;
  token;
  #values = /* @__PURE__ */ new Map();
  value(value) {
    let copy = this.#values.get(value);
    if (copy) return copy;
    const { node: node2 } = value;
    if (node2?.region === this.region) {
      const clone = makeNode(
        node2.op,
        node2.params,
        node2.inputs.map((v) => this.value(v)),
        node2.scope
      );
      this.trace.nodes.push(clone);
      node2.outputs.forEach((old, i) => this.#values.set(old, clone.outputs[i]));
      return this.#values.get(value);
    }
    if (this.trace.isConstant(value) || node2?.op === "full" || node2?.op === "literal" || node2?.op === "iota")
      copy = value;
    else copy = this.trace.valueOf(apply("barrier", [Tensor.fromTrace(this.trace, value), this.token], {}));
    this.#values.set(value, copy);
    return copy;
  }
};
function vjpOfDecomposition(trace, node2, inputs, cotangents, needs) {
  if (!isFused(node2.op)) fail(node2.op, "has neither a VJP rule nor a decomposition");
  const aliases = inputs.map((t) => apply("reshape", [t], { shape: t.shape }));
  const decompose2 = decompositions[node2.op];
  const outputs = decompose2(aliases, node2.params);
  const wanted = aliases.filter((_, i) => needs[i]);
  const pulled = backward(
    trace,
    outputs.map((t, i) => [t, cotangents[i]]),
    wanted
  );
  return needs.map((needed) => needed ? pulled.shift() : void 0);
}
function backward(trace, outputs, wrt) {
  const nodes = trace.nodes.slice();
  const sources = wrt.map((t) => trace.valueOf(t));
  const dependent = dependents(nodes, sources);
  const cotangents = /* @__PURE__ */ new Map();
  const accumulate = (value, cotangent) => {
    const sum2 = cotangents.get(value);
    cotangents.set(value, sum2 ? add(sum2, cotangent) : cotangent);
  };
  for (const [output, cotangent] of outputs) if (cotangent) accumulate(trace.valueOf(output), cotangent);
  const regions = /* @__PURE__ */ new Map();
  const outerScope = trace.scope;
  for (const node2 of nodes.reverse()) {
    const received = node2.outputs.map((v) => cotangents.get(v));
    const needs = node2.inputs.map((v) => dependent.has(v));
    const token = received.find((g) => g !== void 0);
    if (!token || !needs.includes(true) || !node2.outputs.some((v) => dependent.has(v))) continue;
    trace.scope = node2.scope === "" ? outerScope : `${node2.scope}/grad`;
    let recompute = regions.get(node2.region);
    if (!recompute && node2.region !== 0)
      regions.set(node2.region, recompute = new Recompute(trace, node2.region, token));
    const primal = (value) => {
      if (!value) return fail(node2.op, "its VJP rule reads an input it does not have");
      return Tensor.fromTrace(trace, recompute ? recompute.value(value) : value);
    };
    const rule = vjpRules[node2.op];
    let pulled;
    if (rule === "decompose" || received.slice(1).some((g) => g !== void 0)) {
      pulled = vjpOfDecomposition(trace, node2, node2.inputs.map(primal), received, needs);
    } else {
      const context = {
        params: node2.params,
        input: (i) => primal(node2.inputs[i]),
        output: (i) => primal(node2.outputs[i]),
        needs: (i) => needs[i] ?? false,
        inputCount: node2.inputs.length
      };
      pulled = rule(received[0], context);
    }
    node2.inputs.forEach((value, i) => {
      const cotangent = pulled[i];
      if (!cotangent || !needs[i]) return;
      if (showAval(cotangent.aval) !== showAval(value.aval))
        fail(node2.op, `its VJP rule gave ${showAval(cotangent.aval)} for input ${i} of ${showAval(value.aval)}`);
      accumulate(value, cotangent);
    });
  }
  trace.scope = outerScope;
  return sources.map((value) => cotangents.get(value));
}

// ../tensor/src/autodiff/grad.ts
function valueAndGrad(fn) {
  const traced = (...args) => {
    const trace = activeTrace() ?? fail("valueAndGrad", "needs an active trace");
    const flat = flatten(args[0]);
    const inputs = flat.leaves.map((t) => apply("reshape", [t], { shape: t.shape }));
    const result = fn(...[flat.unflatten(inputs), ...args.slice(1)]);
    const value = result instanceof Tensor ? result : result[0];
    if (value.size !== 1 || value.shape.length !== 0 || value.dtype !== "f32")
      fail("valueAndGrad", `the function returned ${showAval(value.aval)}, expected f32[]`);
    const cotangents = backward(trace, [[value, full([], 1)]], inputs);
    return [result, flat.unflatten(cotangents.map((g, i) => g ?? zerosLike(inputs[i])))];
  };
  const eager = jit(traced);
  return (...args) => activeTrace() ? traced(...args) : eager(...args);
}

// ../tensor/src/nn/activations.ts
var silu = (x) => apply("silu", [x], {});
var dropout = (x, rate, key, stream = 0) => rate === 0 ? x : apply("dropout", [x, key], { rate, stream });

// ../tensor/src/nn/attention.ts
function attention(q, k, v, { scale = 1 / Math.sqrt(q.shape[3] ?? 1), visibility } = {}) {
  return applyAll("attention", visibility ? [q, k, v, visibility] : [q, k, v], { scale })[0];
}

// ../tensor/src/nn/cross-entropy.ts
var linearCrossEntropy = (hidden, weight, labels) => applyAll("linearCrossEntropy", [hidden, weight, labels], {})[0];

// ../llama/src/weights.ts
function weightShapes(config2) {
  const { hiddenSize: hidden, intermediateSize: ffn, vocabSize: vocab } = config2;
  const [queries, keys] = [config2.heads * config2.headDim, config2.kvHeads * config2.headDim];
  const shapes = /* @__PURE__ */ new Map([["model.embed_tokens.weight", [vocab, hidden]]]);
  for (let i = 0; i < config2.layers; i++) {
    const layer = {
      input_layernorm: [hidden],
      "self_attn.q_proj": [queries, hidden],
      "self_attn.k_proj": [keys, hidden],
      "self_attn.v_proj": [keys, hidden],
      "self_attn.o_proj": [hidden, queries],
      post_attention_layernorm: [hidden],
      "mlp.gate_proj": [ffn, hidden],
      "mlp.up_proj": [ffn, hidden],
      "mlp.down_proj": [hidden, ffn]
    };
    for (const [name, shape] of Object.entries(layer)) shapes.set(`model.layers.${i}.${name}.weight`, shape);
  }
  shapes.set("model.norm.weight", [hidden]);
  if (!config2.tiedHead) shapes.set("lm_head.weight", [vocab, hidden]);
  return shapes;
}

// ../llama/src/rope-frequencies.ts
function inverseFrequencies({
  headDim,
  ropeTheta,
  ropeScaling
}) {
  const plain = Array.from({ length: headDim / 2 }, (_, i) => ropeTheta ** (-2 * i / headDim));
  if (ropeScaling.type === "default") return plain;
  if (ropeScaling.type === "linear") return plain.map((f) => f / ropeScaling.factor);
  const { factor, lowFrequencyFactor: low, highFrequencyFactor: high, originalMaxPositions } = ropeScaling;
  return plain.map((f) => {
    const turns = originalMaxPositions * f / (2 * Math.PI);
    if (turns < low) return f / factor;
    if (turns > high) return f;
    const keep = (turns - low) / (high - low);
    return (1 - keep) * f / factor + keep * f;
  });
}
function ropeTables(config2, positions) {
  const angles = mul(reshape(cast(positions, "f32"), [...positions.shape, 1]), literal(inverseFrequencies(config2)));
  return { cos: cos(angles), sin: sin(angles) };
}

// ../llama/src/model.ts
var denseLinear = (_name, x, weight) => linear(x, cast(weight, x.dtype));
function decode(decoder, { tokens, positions, visibility, cache }) {
  const { config: config2, weights: weights2, linear: linear2 = denseLinear } = decoder;
  const { heads, kvHeads, headDim, rmsNormEpsilon } = config2;
  const [batch2 = 0, seq2 = 0] = tokens.shape;
  const rope2 = ropeTables(config2, positions ?? iota([1, seq2], 1));
  const weight = (name) => weights2[`${name}.weight`] ?? missing(`${name}.weight`);
  const project = (name, x2) => linear2(name, x2, weight(name));
  const norm = (name, x2) => rmsNorm(x2, cast(weight(name), "f32"), rmsNormEpsilon);
  const split = (x2, count2) => transpose(reshape(x2, [batch2, seq2, count2, headDim]), [0, 2, 1, 3]);
  function selfAttention(name, x2, past) {
    const q = rope(split(project(`${name}.q_proj`, x2), heads), rope2.cos, rope2.sin);
    const newK = rope(split(project(`${name}.k_proj`, x2), kvHeads), rope2.cos, rope2.sin);
    const newV = split(project(`${name}.v_proj`, x2), kvHeads);
    const write = (old, part) => old && cache ? dynamicUpdateSlice(old, part, cache.start, 2) : part;
    const kv = { k: write(past?.k, newK), v: write(past?.v, newV) };
    const mixed = attention(q, kv.k, kv.v, { visibility });
    return {
      out: project(`${name}.o_proj`, reshape(transpose(mixed, [0, 2, 1, 3]), [batch2, seq2, heads * headDim])),
      kv
    };
  }
  const mlp = (name, x2) => project(`${name}.down_proj`, mul(silu(project(`${name}.gate_proj`, x2)), project(`${name}.up_proj`, x2)));
  function layer(index, x2) {
    const name = `model.layers.${index}`;
    const { out, kv } = scope(
      `layer ${index}/attention`,
      () => selfAttention(`${name}.self_attn`, norm(`${name}.input_layernorm`, x2), cache?.layers[index])
    );
    const mid = add(x2, out);
    return {
      x: add(
        mid,
        scope(`layer ${index}/mlp`, () => mlp(`${name}.mlp`, norm(`${name}.post_attention_layernorm`, mid)))
      ),
      kv
    };
  }
  let x = cast(gather(weight("model.embed_tokens"), tokens), "f32");
  const layers = [];
  for (let index = 0; index < config2.layers; index++) {
    const run2 = (input2) => layer(index, input2);
    const result = decoder.checkpointLayers ? checkpoint(run2)(x) : run2(x);
    x = result.x;
    layers.push(result.kv);
  }
  return { hidden: norm("model.norm", x), cache: layers };
}
function headWeight({ config: config2, weights: weights2 }) {
  const name = config2.tiedHead ? "model.embed_tokens.weight" : "lm_head.weight";
  return cast(weights2[name] ?? missing(name), "f32");
}
function tokenLosses(decoder, input2, { labelRows, labels }) {
  const { hidden } = decode(decoder, input2);
  const rows2 = gather(reshape(hidden, [-1, decoder.config.hiddenSize]), labelRows);
  return scope("head", () => linearCrossEntropy(rows2, headWeight(decoder), labels));
}
function missing(name) {
  throw new Error(`weight ${name} is missing`);
}

// ../tensor/src/backend-webgpu/index.ts
import { closeSync, openSync, readSync } from "node:fs";
import { setImmediate } from "node:timers/promises";
import { create, globals } from "webgpu";

// ../tensor/src/backend-webgpu/adapters.ts
var matrixFeature = "chromium-experimental-subgroup-matrix";
function matrixUnits(info, features) {
  if (!features.has(matrixFeature) || !features.has("shader-f16")) return [];
  const configs = info.subgroupMatrixConfigs ?? [];
  return [...configs].filter((c) => c.componentType === "f16" && c.resultComponentType === "f32").map((c) => ({ m: c.M, n: c.N, k: c.K })).sort((a, b) => b.m * b.n * b.k - a.m * a.n * a.k);
}
var softwareNames = /llvmpipe|lavapipe|swiftshader|warp|basic render/i;
function describeAdapter(adapter) {
  const { info } = adapter;
  const features = new Set(adapter.features);
  const limits = {};
  for (const key in adapter.limits) {
    const value = adapter.limits[key];
    if (typeof value === "number") limits[key] = value;
  }
  const name = info.description || info.device || [info.vendor, info.architecture].filter(Boolean).join(" ") || "GPU";
  const fallback = info.isFallbackAdapter === true;
  const software = fallback || softwareNames.test(`${name} ${info.device} ${info.architecture}`);
  const [smallest = 0, largest = 0] = [info.subgroupMinSize, info.subgroupMaxSize];
  const profile = {
    name,
    software,
    f16: features.has("shader-f16"),
    subgroupSize: features.has("subgroups") && smallest === largest ? smallest : 0,
    matrixUnits: matrixUnits(info, features),
    maxBindingBytes: adapter.limits.maxStorageBufferBindingSize,
    maxBufferBytes: adapter.limits.maxBufferSize,
    maxStorageBuffers: adapter.limits.maxStorageBuffersPerShaderStage,
    maxWorkgroupsPerDimension: adapter.limits.maxComputeWorkgroupsPerDimension,
    maxWorkgroupBytes: adapter.limits.maxComputeWorkgroupStorageSize,
    offsetAlignment: adapter.limits.minStorageBufferOffsetAlignment
  };
  return {
    name,
    vendor: info.vendor,
    architecture: info.architecture,
    description: info.description,
    software,
    features: [...features].sort(),
    limits,
    profile
  };
}
var wantedFeatures = ["shader-f16", "subgroups", "timestamp-query", matrixFeature];
async function openAdapter(adapter) {
  const description = describeAdapter(adapter);
  const requiredLimits = {};
  for (const limit of [
    "maxStorageBufferBindingSize",
    "maxBufferSize",
    "maxStorageBuffersPerShaderStage",
    "maxComputeWorkgroupsPerDimension",
    "maxComputeWorkgroupStorageSize",
    "maxComputeInvocationsPerWorkgroup",
    "maxComputeWorkgroupSizeX"
  ])
    requiredLimits[limit] = description.limits[limit];
  const requiredFeatures = wantedFeatures.filter((f) => adapter.features.has(f));
  const device2 = await adapter.requestDevice({ requiredFeatures, requiredLimits });
  return { device: device2, adapter: description };
}
function missingFrom({ limits, name }) {
  const floor = {
    maxStorageBuffersPerShaderStage: 10,
    maxComputeInvocationsPerWorkgroup: 256,
    maxComputeWorkgroupStorageSize: 16384,
    maxStorageBufferBindingSize: 2 ** 27
  };
  for (const [limit, least] of Object.entries(floor))
    if ((limits[limit] ?? 0) < least)
      return `${name} offers ${limit} ${limits[limit] ?? 0}, at least ${least} is needed`;
  return void 0;
}

// ../tensor/src/backend-webgpu/allocator.ts
var roundedBelow = 2 ** 20;
function roundBytes(bytes) {
  const unit = bytes <= 2048 || bytes > roundedBelow ? 256 : 2 ** (Math.floor(Math.log2(bytes)) - 3);
  return Math.ceil(Math.max(4, bytes) / unit) * unit;
}
var Allocator = class {
  constructor(device2, limits) {
    this.device = device2;
    this.limits = limits;
  }
  device;
  limits;
  /** Bytes of all buffers that exist, free ones included: what the device holds for us. */
  bytes = 0;
  peakBytes = 0;
  #free = /* @__PURE__ */ new Map();
  #count = 0;
  take(bytes, usage, what) {
    const size = roundBytes(bytes);
    const free = this.#free.get(`${usage}/${size}`)?.pop();
    if (free) return free;
    const { maxBufferBytes, budgetBytes, name } = this.limits;
    if (bytes > maxBufferBytes)
      fail(
        "webgpu",
        `${what} takes ${megabytes(bytes)}, a buffer of ${name} holds at most ${megabytes(maxBufferBytes)}`
      );
    if (budgetBytes !== void 0 && this.bytes + size > budgetBytes) {
      this.trim();
      if (this.bytes + size > budgetBytes)
        fail(
          "webgpu",
          `${what} takes ${megabytes(bytes)}, but ${megabytes(this.bytes)} of the ${megabytes(budgetBytes)} allowed on ${name} are in use`
        );
    }
    this.limits.onCreate();
    this.bytes += size;
    this.peakBytes = Math.max(this.peakBytes, this.bytes);
    return { buffer: this.device.createBuffer({ size, usage, label: what }), number: this.#count++, bytes: size };
  }
  release(allocation) {
    const key = `${allocation.buffer.usage}/${allocation.bytes}`;
    const free = this.#free.get(key);
    if (allocation.bytes > 64 * roundedBelow) this.destroy(allocation);
    else if (free) free.push(allocation);
    else this.#free.set(key, [allocation]);
  }
  destroy({ buffer, bytes }) {
    buffer.destroy();
    this.bytes -= bytes;
  }
  /** Gives free buffers back to the driver. */
  trim() {
    for (const list of this.#free.values()) for (const allocation of list) this.destroy(allocation);
    this.#free.clear();
  }
};
var megabytes = (bytes) => `${(bytes / 1e6).toFixed(bytes < 1e7 ? 2 : 0)} MB`;

// ../tensor/src/jit/passes/decompose.ts
function definition(node2) {
  const trace = new Trace();
  return withTrace(trace, () => {
    const inputs = node2.inputs.map((v) => trace.addInput(v.aval));
    const decompose2 = decompositions[node2.op];
    return trace.finish(decompose2(inputs, node2.params));
  });
}
function decompose(graph, keep) {
  return rewrite(graph, (node2, inputs, emit) => {
    const expand = (current2, currentInputs) => {
      if (!isFused(current2.op) || keep(current2)) {
        return emit(makeNode(current2.op, current2.params, currentInputs, node2.scope, node2.region)).outputs;
      }
      const body = definition(current2);
      const mapped = new Map(body.inputs.map((value, i) => [value, currentInputs[i]]));
      for (const inner of body.nodes) {
        const outputs = expand(
          inner,
          inner.inputs.map((v) => mapped.get(v))
        );
        inner.outputs.forEach((v, i) => mapped.set(v, outputs[i]));
      }
      return body.outputs.map((v) => mapped.get(v));
    };
    return expand(node2, inputs);
  });
}

// ../tensor/src/jit/passes/memory-plan.ts
var aligned = (bytes, alignment2) => Math.ceil(bytes / alignment2) * alignment2;
function planMemory(values, { alignment: alignment2, maxPageBytes }) {
  const places = [];
  const pages = [];
  const pageBytes = [];
  const order = values.map((_, i) => i).sort((a, b) => values[b].bytes - values[a].bytes || a - b);
  for (const i of order) {
    const { first, last } = values[i];
    const bytes = aligned(Math.max(1, values[i].bytes), alignment2);
    for (let page = 0; ; page++) {
      const placed = pages[page] ??= [];
      let offset = 0;
      let at2 = 0;
      for (; at2 < placed.length; at2++) {
        const other = placed[at2];
        if (other.last < first || other.first > last) continue;
        if (other.offset >= offset + bytes) break;
        offset = Math.max(offset, other.end);
      }
      if (offset + bytes > maxPageBytes && placed.length > 0) continue;
      const entry = { index: i, offset, end: offset + bytes, first, last };
      let slot = placed.findIndex((p) => p.offset > offset);
      if (slot < 0) slot = placed.length;
      placed.splice(slot, 0, entry);
      pageBytes[page] = Math.max(pageBytes[page] ?? 0, entry.end);
      places[i] = { page, offset };
      break;
    }
  }
  return { places, pageBytes, unsharedBytes: values.reduce((n, v) => n + aligned(v.bytes, alignment2), 0) };
}

// ../tensor/src/backend-webgpu/storage.ts
var Storage = class {
  constructor(kind, index, dtype, element2, length) {
    this.kind = kind;
    this.index = index;
    this.dtype = dtype;
    this.element = element2;
    this.length = length;
  }
  kind;
  index;
  dtype;
  element;
  length;
  /** Bytes in the buffer, a multiple of 4. */
  get bytes() {
    return storedBytes(this.element, this.length);
  }
};
var storedBytes = (element2, length) => element2 === "f16" || element2 === "halves" || element2 === "brains" ? Math.ceil(length / 2) * 4 : length * 4;
function elementType(dtype, profile) {
  if (dtype === "bf16") return "brains";
  if (dtype === "f16") return profile.f16 ? "f16" : "halves";
  return dtype;
}
var wholeView = (storage, shape, strides = stridesOf(shape)) => ({
  storage,
  shape,
  strides,
  offset: 0
});
function isContiguous({ shape, strides }) {
  const expected = stridesOf(shape);
  return sizeOf(shape) === 0 || shape.every((d, i) => d === 1 || strides[i] === expected[i]);
}
var isWhole = (view) => view.offset === 0 && isContiguous(view) && sizeOf(view.shape) === view.storage.length;
var transposeView = (view, permutation) => ({
  ...view,
  shape: permutation.map((p) => view.shape[p]),
  strides: permutation.map((p) => view.strides[p])
});
function broadcastView(view, shape) {
  const lead = shape.length - view.shape.length;
  return {
    ...view,
    shape,
    strides: shape.map((_, i) => i < lead || view.shape[i - lead] === 1 ? 0 : view.strides[i - lead])
  };
}
var sliceView = (view, starts, limits) => ({
  ...view,
  shape: view.shape.map((d, i) => (limits[i] ?? d) - (starts[i] ?? 0)),
  offset: view.offset + view.strides.reduce((n, stride, i) => n + stride * (starts[i] ?? 0), 0)
});
function reshapeView(view, shape) {
  if (sizeOf(shape) === 0) return void 0;
  const old = view.shape.flatMap((size, i) => size === 1 ? [] : [{ size, stride: view.strides[i] }]);
  const strides = Array.from({ length: shape.length }, () => 0);
  let from = 0;
  let to = 0;
  while (to < shape.length) {
    if (shape[to] === 1) {
      to++;
      continue;
    }
    let [oldSize, newSize] = [old[from]?.size ?? 1, shape[to]];
    let [oldEnd, newEnd] = [from + 1, to + 1];
    while (oldSize !== newSize) {
      if (oldSize < newSize) oldSize *= old[oldEnd++]?.size ?? 1;
      else newSize *= shape[newEnd++] ?? 1;
      if (oldEnd > old.length || newEnd > shape.length) return void 0;
    }
    for (let i = from; i + 1 < oldEnd; i++)
      if (old[i].stride !== old[i + 1].stride * old[i + 1].size) return void 0;
    let stride = old[oldEnd - 1].stride;
    for (let i = newEnd - 1; i >= to; i--) {
      strides[i] = stride;
      stride *= shape[i];
    }
    ;
    [from, to] = [oldEnd, newEnd];
  }
  return { ...view, shape, strides };
}

// ../tensor/src/backend-webgpu/writer.ts
var u32 = (value) => `${value}u`;
var isConstant = (text) => /^\d+u$/.test(text);
var valueOf = (text) => Number(text.slice(0, -1));
function plus(a, b) {
  if (a === "0u") return b;
  if (b === "0u") return a;
  return isConstant(a) && isConstant(b) ? u32(valueOf(a) + valueOf(b)) : `(${a} + ${b})`;
}
function times(a, factor) {
  if (factor === 0 || a === "0u") return "0u";
  if (factor === 1) return a;
  return isConstant(a) ? u32(valueOf(a) * factor) : `(${a} * ${u32(factor)})`;
}
function over(a, divisor) {
  return divisor === 1 ? a : isConstant(a) ? u32(Math.floor(valueOf(a) / divisor)) : `(${a} / ${u32(divisor)})`;
}
function remainder(a, divisor) {
  return divisor === 1 ? "0u" : isConstant(a) ? u32(valueOf(a) % divisor) : `(${a} % ${u32(divisor)})`;
}
var nestedIndex = (outer, size, inner) => plus(times(outer, size), inner);
function f32(value) {
  const rounded = Math.fround(value);
  if (!Number.isFinite(rounded)) {
    const bits = new Uint32Array(Float32Array.of(rounded).buffer)[0];
    return `bitcast<f32>(runtimeBits(${u32(bits)}))`;
  }
  if (Object.is(rounded, -0)) return "(-0.0f)";
  const text = String(rounded);
  const literal2 = /[.e]/.test(text) ? `${text}f` : `${text}.0f`;
  return rounded < 0 ? `(${literal2})` : literal2;
}
var Block = class _Block {
  constructor(writer, parent) {
    this.writer = writer;
    this.parent = parent;
  }
  writer;
  parent;
  lines = [];
  #names = /* @__PURE__ */ new Map();
  #known(text) {
    const own = this.#names.get(text);
    return own === void 0 && this.parent ? this.parent.#known(text) : own;
  }
  /** A name for `text`, which must be pure; constants and names stand for themselves. */
  name(text) {
    if (/^[\w.]+$/.test(text)) return text;
    const known = this.#known(text);
    if (known) return known;
    const name = this.writer.newName("v");
    this.lines.push(`let ${name} = ${text};`);
    this.#names.set(text, name);
    return name;
  }
  push(...lines) {
    this.lines.push(...lines);
  }
  /** A nested block under `head { … }`. */
  nest(head, fill) {
    const block = new _Block(this.writer, this);
    fill(block);
    this.lines.push(`${head} {`, ...block.lines.map((line) => `  ${line}`), "}");
  }
};
var Position = class _Position {
  constructor(shape, known) {
    this.shape = shape;
    this.known = known;
  }
  shape;
  known;
  flat(block) {
    if (this.known.flat !== void 0) return this.known.flat;
    const strides = stridesOf(this.shape);
    return block.name(this.known.coordinates.reduce((sum2, c, i) => plus(sum2, times(c, strides[i])), "0u"));
  }
  coordinates(block) {
    if (this.known.coordinates) return this.known.coordinates;
    const flat = this.known.flat;
    const strides = stridesOf(this.shape);
    return this.shape.map((size, i) => {
      if (size === 1) return "0u";
      const upper = over(flat, strides[i]);
      return block.name(this.shape.slice(0, i).every((d) => d === 1) ? upper : remainder(upper, size));
    });
  }
  /** The same element of the same elements in another shape. */
  reshaped(shape, block) {
    if (shape.length === this.shape.length && shape.every((d, i) => d === this.shape[i])) return this;
    return new _Position(shape, { flat: this.flat(block) });
  }
  /** The element that broadcasting reads from a value of shape `shape`. */
  broadcastFrom(shape, block) {
    if (sizeOf(shape) === 1) return new _Position(shape, { flat: "0u", coordinates: shape.map(() => "0u") });
    if (sizeOf(shape) === sizeOf(this.shape)) return this.reshaped(shape, block);
    const coordinates = this.coordinates(block);
    const lead = this.shape.length - shape.length;
    return new _Position(shape, { coordinates: shape.map((d, i) => d === 1 ? "0u" : coordinates[i + lead]) });
  }
};
var KernelWriter = class {
  accesses = [];
  globals = /* @__PURE__ */ new Map();
  parameters = [];
  extensions = /* @__PURE__ */ new Set();
  body = new Block(this);
  workgroupBytes = 0;
  #names = 0;
  newName(prefix) {
    return `${prefix}${this.#names++}`;
  }
  #access(storage) {
    let at2 = this.accesses.findIndex((a) => a.storage === storage);
    if (at2 < 0) at2 = this.accesses.push({ storage, read: false, written: false, vectors: false }) - 1;
    return at2;
  }
  /** Element `index` of a storage, as f32, i32, u32 or bool. */
  load(storage, index) {
    const at2 = this.#access(storage);
    this.accesses[at2].read = true;
    return `$ld${at2}(${index})`;
  }
  /** Elements 4·index … 4·index+3 of a float storage, as vec4f. */
  load4(storage, index) {
    const at2 = this.#access(storage);
    Object.assign(this.accesses[at2], { read: true, vectors: true });
    return `$quad${at2}(${index})`;
  }
  loadView(view, position, block) {
    if (isWhole(view)) return this.load(view.storage, position.flat(block));
    const coordinates = position.coordinates(block);
    const at2 = coordinates.reduce((sum2, c, i) => plus(sum2, times(c, view.strides[i])), u32(view.offset));
    return this.load(view.storage, block.name(at2));
  }
  /** A statement that stores `value` (of the storage's type) at element `index`. */
  store(storage, index, value) {
    const at2 = this.#access(storage);
    this.accesses[at2].written = true;
    return `$st${at2}(${index}, ${value});`;
  }
  /** A u32 that is no part of the text, so that kernels which differ only in it share a pipeline. */
  parameter(word) {
    return `$p${this.parameters.push(word >>> 0) - 1}`;
  }
  /** A module-scope declaration; `$name` in its text and in the body is made unique. */
  global(name, text) {
    this.globals.set(name, text);
    return `$${name}`;
  }
  /** A workgroup array of `length` elements. */
  workgroupArray(name, type, length) {
    this.workgroupBytes += length * { f32: 4, f16: 2, i32: 4, u32: 4, vec4f: 16 }[type];
    return this.global(name, `var<workgroup> $${name}: array<${type}, ${length}>;`);
  }
  finish(parts) {
    return {
      label: parts.label,
      workgroups: parts.workgroups,
      workgroupSize: parts.workgroupSize,
      joinable: parts.joinable ?? true,
      body: this.body.lines.join("\n"),
      globals: this.globals,
      accesses: this.accesses,
      parameters: this.parameters,
      workgroupBytes: this.workgroupBytes,
      extensions: [...this.extensions]
    };
  }
};

// ../tensor/src/backend-webgpu/inline-dot.ts
function operandPosition(shape, batch2, row, column) {
  const lead = batch2.length - (shape.length - 2);
  const own = shape.slice(0, -2).map((d, i) => d === 1 ? "0u" : batch2[i + lead]);
  return new Position(shape, { coordinates: [...own, row, column] });
}
function inlineDot(context, node2, position, block) {
  const { transposeA, transposeB } = node2.params;
  const [a, b] = [node2.inputs[0], node2.inputs[1]];
  const coordinates = position.coordinates(block);
  const batch2 = coordinates.slice(0, -2);
  const [row, column] = coordinates.slice(-2);
  const inner = a.aval.shape.at(transposeA ? -2 : -1);
  const sum2 = block.writer.newName("sum");
  const k = block.writer.newName("k");
  block.push(`var ${sum2} = 0.0f;`);
  block.nest(`for (var ${k} = 0u; ${k} < ${inner}u; ${k}++)`, (body) => {
    const at2 = (shape, first, second, transposed) => transposed ? operandPosition(shape, batch2, second, first) : operandPosition(shape, batch2, first, second);
    const x = context.evaluate(a, at2(a.aval.shape, row, k, transposeA), body);
    const y = context.evaluate(b, at2(b.aval.shape, k, column, transposeB), body);
    body.push(`${sum2} += ${x} * ${y};`);
  });
  return sum2;
}

// ../tensor/src/backend-webgpu/expressions.ts
var elementwise2 = (write) => ({ node: node2, same: same2 }) => write(...node2.inputs.map((_, i) => same2(i)));
var inputShape = (node2, i) => node2.inputs[i].aval.shape;
function sinusoid(x, kind, writer) {
  return `${writer.global(
    "sinusoid",
    `fn $sinusoid(x: f32, quarter: i32) -> f32 {
  let n = round(x * 0.6366197723675814f);
  let r = ((x - n * 1.5703125f) - n * 4.837512969970703e-4f) - n * 7.549789948768648e-8f;
  let q = (i32(n) + quarter) & 3;
  let s = r * r;
  let sine = r + r * s * (-1.6666654611e-1f + s * (8.3321608736e-3f - s * 1.9515295891e-4f));
  let cosine = 1.0f - 0.5f * s + s * s * (4.166664568298827e-2f + s * (-1.388731625493765e-3f + s * 2.443315711809948e-5f));
  let y = select(sine, cosine, (q & 1) == 1);
  return select(y, -y, q >= 2);
}`
  )}(${x}, ${kind === "sin" ? 0 : 1})`;
}
function power(x, y, writer) {
  return `${writer.global(
    "power",
    `fn $power(x: f32, y: f32) -> f32 {
  if (y == 0.0f) { return 1.0f; }
  let p = pow(abs(x), y);
  return select(p, -p, x < 0.0f && abs(y - 2.0f * round(y * 0.5f)) == 1.0f);
}`
  )}(${x}, ${y})`;
}
function constantOf(dtype, value) {
  switch (dtype) {
    case "i32":
      return `i32(${Math.trunc(value)})`;
    case "u32":
      return `${Math.trunc(value)}u`;
    case "bool":
      return value === 0 ? "false" : "true";
    default:
      return f32(value);
  }
}
var isFloating = (dtype) => dtype === "f32" || dtype === "f16" || dtype === "bf16";
function convert(x, from, to) {
  if (from === to || isFloating(from) && isFloating(to)) return x;
  if (to === "bool") return `(${x} != ${constantOf(from, 0)})`;
  const type = isFloating(to) ? "f32" : to;
  return from === "bool" ? `select(${constantOf(to, 0)}, ${constantOf(to, 1)}, ${x})` : `${type}(${x})`;
}
function randomBits(key, stream, i, block) {
  const { writer } = block;
  const hash = writer.global(
    "hash",
    `fn $hash(i: u32, k0: u32, k1: u32) -> u32 {
  var x = i * 0x9e3779b9u + k0;
  x = x ^ (x >> 16u);
  x = x * 0x7feb352du;
  x = (x ^ (x >> 15u)) ^ k1;
  x = x * 0x846ca68bu;
  return (x ^ (x >> 16u)) >> 8u;
}`
  );
  const words = keyWords(stream).map((word, w) => block.name(`${key[w]} ^ ${writer.parameter(word)}`));
  return block.name(`${hash}(${i}, ${words[0]}, ${words[1]})`);
}
var keyOf2 = (read2, i) => [
  read2(i, new Position([2], { flat: "0u" })),
  read2(i, new Position([2], { flat: "1u" }))
];
var indexAt = ({ read: read2, node: node2, block }, i, coordinates) => block.name(`u32(${read2(i, new Position(inputShape(node2, i), { coordinates }))})`);
var replaced = (coordinates, axis, by) => coordinates.map((c, i) => i === axis ? by : c);
var sizeAt = (value, axis) => value.aval.shape[axis];
var movement = (move) => (context) => {
  const { node: node2, position, block, read: read2 } = context;
  return read2(
    0,
    new Position(inputShape(node2, 0), {
      coordinates: move(position.coordinates(block), node2).map((c) => block.name(c))
    })
  );
};

// ../tensor/src/backend-webgpu/kernels/argmax.wgsl.ts
function argmaxKernel(context) {
  const { axis } = context.node.params;
  const input2 = context.node.inputs[0].aval.shape;
  const output = context.node.outputs[0].aval.shape;
  const outputs = sizeOf(output);
  const writer = new KernelWriter();
  const workgroupSize3 = 64;
  writer.body.push(`let i = wg * ${workgroupSize3}u + lid;`);
  writer.body.nest(`if (i < ${outputs}u)`, (body) => {
    const position = new Position(output, { flat: "i" });
    const coordinates = position.coordinates(body);
    const at2 = (k) => new Position(input2, { coordinates: [...coordinates.slice(0, axis), k, ...coordinates.slice(axis)] });
    body.push(`var best = ${context.read(0, at2("0u"), body)};`, "var place = 0i;");
    body.nest(`for (var k = 1u; k < ${input2[axis]}u; k++)`, (block) => {
      const x = context.read(0, at2("k"), block);
      block.push(`if (${x} > best) { best = ${x}; place = i32(k); }`);
    });
    context.finish("place", position, body);
  });
  return writer.finish({ label: "argmax", workgroups: Math.ceil(outputs / workgroupSize3), workgroupSize: workgroupSize3 });
}

// ../tensor/src/backend-webgpu/kernels/attention-rows.wgsl.ts
var workgroupSize = 64;
var WalkWriter = class {
  constructor(context, sizes) {
    this.context = context;
    this.sizes = sizes;
  }
  context;
  sizes;
  writer = new KernelWriter();
  /** One invocation for each of `count` rows of `heads` heads. */
  write(label, heads, count2, fill) {
    const total = this.sizes.batch * heads * count2;
    const { body } = this.writer;
    body.push(`let flat = wg * ${workgroupSize}u + lid;`);
    body.nest(`if (flat < ${total}u)`, (block) => {
      const [batch2, head, row] = new Position([this.sizes.batch, heads, count2], { flat: "flat" }).coordinates(block);
      fill({ batch: batch2, head, row, flat: "flat" }, block);
    });
    return this.writer.finish({ label, workgroups: Math.ceil(total / workgroupSize), workgroupSize });
  }
  row(view, batch2, head, row, block) {
    const [b, h, s, d] = view.strides;
    const base = block.name([times(batch2, b), times(head, h), times(row, s), u32(view.offset)].reduce(plus));
    return (column, inner) => inner.name(this.writer.load(view.storage, plus(base, times(column, d))));
  }
  scalar(view, batch2, head, row, block) {
    const [b, h, s] = view.strides;
    const at2 = [times(batch2, b), times(head, h), times(row, s), u32(view.offset)].reduce(plus);
    return block.name(this.writer.load(view.storage, at2));
  }
  /** Runs `fill` for each column of a head. */
  columns(block, fill) {
    const column = this.writer.newName("d");
    block.nest(
      `for (var ${column} = 0u; ${column} < ${this.sizes.headDim}u; ${column}++)`,
      (inner) => fill(column, inner)
    );
  }
  /** An array of one head's columns, filled from `from` or with zeros. */
  local(block, name, from) {
    block.push(`var ${name} = array<f32, ${this.sizes.headDim}>();`);
    if (from) this.columns(block, (d, inner) => inner.push(`${name}[${d}] = ${from(d, inner)};`));
  }
  /** Declares `name` as the product of an array of columns and a row. */
  product(block, name, left, right) {
    block.push(`var ${name} = 0.0f;`);
    this.columns(block, (d, inner) => inner.push(`${name} += ${left}[${d}] * ${right(d, inner)};`));
  }
  store(block, output, at2, name) {
    const [b, h, s, d] = output.strides;
    const base = block.name([times(at2.batch, b), times(at2.head, h), times(at2.row, s), u32(output.offset)].reduce(plus));
    this.columns(
      block,
      (column, inner) => inner.push(this.writer.store(output.storage, plus(base, times(column, d)), `${name}[${column}]`))
    );
  }
  /** Whether query `query` sees key `key`, and the range of keys in which those it sees lie. */
  sight(visibility, batch2, query, block) {
    const { queries, keys } = this.sizes;
    if (!visibility)
      return { from: "0u", to: block.name(`${query} + ${keys - queries + 1}u`), sees: (key) => `${key} <= ${query} + ${keys - queries}u` };
    const first = visibility.shape[0] === 1 ? 0 : visibility.strides[0];
    const [last, start, prefixEnd, branchStart] = [0, 1, 2, 3].map((i) => {
      const at2 = [times(batch2, first), times(query, visibility.strides[1]), u32(visibility.offset + i * visibility.strides[2])];
      return block.name(this.writer.load(visibility.storage, at2.reduce(plus)));
    });
    const inBranch = (k) => `(i32(${k}) < ${prefixEnd} || i32(${k}) >= ${branchStart})`;
    return {
      from: block.name(`u32(max(${start}, 0i))`),
      to: block.name(`u32(min(${last}, ${keys - 1}i) + 1i)`),
      sees: (k) => `i32(${k}) >= ${start} && i32(${k}) <= ${last} && ${inBranch(k)}`
    };
  }
};
function walkAttention(context, sizes, scale) {
  const walk2 = new WalkWriter(context, sizes);
  const visibility = context.node.inputs[3] && context.view(3);
  return walk2.write(`attention ${sizes.queries}\xD7${sizes.keys}`, sizes.heads, sizes.queries, (at2, body) => {
    const kvHead = body.name(`${at2.head} / ${sizes.heads / sizes.kvHeads}u`);
    walk2.local(body, "q", walk2.row(context.view(0), at2.batch, at2.head, at2.row, body));
    walk2.local(body, "o");
    body.push("var largest = -1e30f;", "var total = 0.0f;");
    const { from, to, sees } = walk2.sight(visibility, at2.batch, at2.row, body);
    body.nest(
      `for (var j = ${from}; j < ${to}; j++)`,
      (step) => step.nest(`if (${sees("j")})`, (seen2) => {
        walk2.product(seen2, "s", "q", walk2.row(context.view(1), at2.batch, kvHead, "j", seen2));
        seen2.push(
          `let now = max(largest, s * ${scale});`,
          "let keep = exp(largest - now);",
          `let p = exp(s * ${scale} - now);`,
          "total = total * keep + p;",
          "largest = now;"
        );
        const v = walk2.row(context.view(2), at2.batch, kvHead, "j", seen2);
        walk2.columns(seen2, (d, inner) => inner.push(`o[${d}] = o[${d}] * keep + p * ${v(d, inner)};`));
      })
    );
    body.push("let inverse = 1.0f / max(total, 1e-37f);");
    walk2.columns(body, (d, inner) => inner.push(`o[${d}] *= inverse;`));
    walk2.store(body, context.output(0), at2, "o");
    body.push(walk2.writer.store(context.output(1).storage, at2.flat, "largest + log(max(total, 1e-37f))"));
  });
}
function walkAttentionGrad(context, sizes, scale, rowDots) {
  const { heads, kvHeads, queries, keys } = sizes;
  const group = heads / kvHeads;
  const visibility = context.node.inputs[6] && context.view(6);
  const view = (i) => context.view(i);
  const rowDot = (walk2, batch2, head, query, block) => block.name(walk2.writer.load(rowDots, `(${batch2} * ${heads}u + ${head}) * ${queries}u + ${query}`));
  const ofQueries = new WalkWriter(context, sizes);
  const queryDraft = ofQueries.write(`attentionGrad q ${queries}\xD7${keys}`, heads, queries, (at2, body) => {
    const kvHead = body.name(`${at2.head} / ${group}u`);
    ofQueries.local(body, "q", ofQueries.row(view(0), at2.batch, at2.head, at2.row, body));
    ofQueries.local(body, "g", ofQueries.row(view(5), at2.batch, at2.head, at2.row, body));
    ofQueries.local(body, "dq");
    const logSum = ofQueries.scalar(view(4), at2.batch, at2.head, at2.row, body);
    const dots = rowDot(ofQueries, at2.batch, at2.head, at2.row, body);
    const { from, to, sees } = ofQueries.sight(visibility, at2.batch, at2.row, body);
    body.nest(
      `for (var j = ${from}; j < ${to}; j++)`,
      (step) => step.nest(`if (${sees("j")})`, (seen2) => {
        const k = ofQueries.row(view(1), at2.batch, kvHead, "j", seen2);
        ofQueries.product(seen2, "s", "q", k);
        ofQueries.product(seen2, "dp", "g", ofQueries.row(view(2), at2.batch, kvHead, "j", seen2));
        seen2.push(`let ds = exp(s * ${scale} - ${logSum}) * (dp - ${dots}) * ${scale};`);
        ofQueries.columns(seen2, (d, inner) => inner.push(`dq[${d}] += ds * ${k(d, inner)};`));
      })
    );
    ofQueries.store(body, context.output(0), at2, "dq");
  });
  const ofKeys = new WalkWriter(context, sizes);
  const keyDraft = ofKeys.write(`attentionGrad k v ${queries}\xD7${keys}`, kvHeads, keys, (at2, body) => {
    ofKeys.local(body, "k", ofKeys.row(view(1), at2.batch, at2.head, at2.row, body));
    ofKeys.local(body, "v", ofKeys.row(view(2), at2.batch, at2.head, at2.row, body));
    ofKeys.local(body, "dk");
    ofKeys.local(body, "dv");
    const skipped = keys - queries;
    const start = visibility ? "0u" : body.name(`max(${at2.row}, ${skipped}u) - ${skipped}u`);
    body.nest(
      `for (var head = ${at2.head} * ${group}u; head < (${at2.head} + 1u) * ${group}u; head++)`,
      (each2) => each2.nest(`for (var i = ${start}; i < ${queries}u; i++)`, (step) => {
        const { sees } = ofKeys.sight(visibility, at2.batch, "i", step);
        step.nest(`if (${sees(at2.row)})`, (seen2) => {
          const q = ofKeys.row(view(0), at2.batch, "head", "i", seen2);
          const g = ofKeys.row(view(5), at2.batch, "head", "i", seen2);
          ofKeys.product(seen2, "s", "k", q);
          ofKeys.product(seen2, "dp", "v", g);
          const logSum = ofKeys.scalar(view(4), at2.batch, "head", "i", seen2);
          seen2.push(`let p = exp(s * ${scale} - ${logSum});`);
          seen2.push(`let ds = p * (dp - ${rowDot(ofKeys, at2.batch, "head", "i", seen2)}) * ${scale};`);
          ofKeys.columns(
            seen2,
            (d, inner) => inner.push(`dk[${d}] += ds * ${q(d, inner)};`, `dv[${d}] += p * ${g(d, inner)};`)
          );
        });
      })
    );
    ofKeys.store(body, context.output(1), at2, "dk");
    ofKeys.store(body, context.output(2), at2, "dv");
  });
  return [queryDraft, keyDraft];
}

// ../tensor/src/backend-webgpu/kernels/flash.ts
function attentionSizes(q, k) {
  const [batch2, heads, queries, headDim] = q;
  return { batch: batch2, heads, kvHeads: k[1], queries, keys: k[2], headDim };
}
var lowest = "-1e30f";
var FlashWriter = class {
  constructor(context, sizes) {
    this.context = context;
    this.sizes = sizes;
    this.lanesAcross = 16;
    this.lanes = this.lanesAcross ** 2;
    this.tile = context.profile.maxWorkgroupBytes >= 40960 && sizes.headDim <= 128 ? 64 : 32;
    this.per = this.tile / this.lanesAcross;
    this.chunk = Math.min(32, Math.ceil(sizes.headDim / this.lanesAcross) * this.lanesAcross);
    this.#chunks = Math.ceil(sizes.headDim / this.chunk);
    this.perChunk = this.chunk / this.lanesAcross;
    this.#left = this.writer.workgroupArray("left", "f32", this.chunk * this.tile);
    this.#right = this.writer.workgroupArray("right", "f32", this.chunk * this.tile);
    this.body.push(`let x = lid % ${this.lanesAcross}u;`, `let y = lid / ${this.lanesAcross}u;`);
  }
  context;
  sizes;
  writer = new KernelWriter();
  body = this.writer.body;
  /** Rows and columns of a tile of scores. */
  tile;
  lanesAcross;
  lanes;
  /** Columns of a head that go through workgroup memory together. */
  chunk;
  #chunks;
  /** Rows, and columns of a tile, of one invocation. */
  per;
  perChunk;
  #left;
  #right;
  /** A workgroup array for one tile of scores; rows are padded by one against bank conflicts. */
  scoreTile(name) {
    return this.writer.workgroupArray(name, "f32", this.tile * (this.tile + 1));
  }
  slot(row, column) {
    return plus(times(row, this.tile + 1), column);
  }
  rows(i, batch2, head) {
    const view = typeof i === "number" ? this.context.view(i) : i;
    const [b, h] = view.strides;
    const base = this.body.name(plus(plus(times(batch2, b), times(head, h)), u32(view.offset)));
    return { view, base, count: view.shape[2] };
  }
  load({ view, base }, row, column) {
    const [, , s, d] = view.strides;
    return this.writer.load(view.storage, plus(plus(base, times(row, s)), times(column, d)));
  }
  #stage(block, shared, rows2, start, column) {
    const { headDim } = this.sizes;
    const p = this.writer.newName("p");
    block.nest(`for (var ${p} = lid; ${p} < ${this.tile * this.chunk}u; ${p} += ${this.lanes}u)`, (each2) => {
      const r = each2.name(`${p} / ${this.chunk}u`);
      const d = each2.name(`${p} % ${this.chunk}u`);
      const row = each2.name(plus(start, r));
      const at2 = each2.name(plus(column, d));
      const inside = `${row} < ${rows2.count}u${headDim % this.chunk === 0 ? "" : ` && ${at2} < ${headDim}u`}`;
      const x = this.load(rows2, each2.name(`min(${row}, ${rows2.count - 1}u)`), each2.name(`min(${at2}, ${headDim - 1}u)`));
      each2.push(`${shared}[${d} * ${this.tile}u + ${r}] = select(0.0f, ${x}, ${inside});`);
    });
  }
  /** Declares the tile of products left·rightᵀ: scalars `name_i_j` of this invocation. */
  scores(block, name, left, leftStart, right, rightStart) {
    const each2 = (f) => {
      for (let i = 0; i < this.per; i++) for (let j = 0; j < this.per; j++) block.push(f(i, j));
    };
    each2((i, j) => `var ${name}_${i}_${j} = 0.0f;`);
    const c = this.writer.newName("c");
    block.nest(`for (var ${c} = 0u; ${c} < ${this.sizes.headDim}u; ${c} += ${this.chunk}u)`, (loop) => {
      this.#stage(loop, this.#left, left, leftStart, c);
      this.#stage(loop, this.#right, right, rightStart, c);
      loop.push("workgroupBarrier();");
      loop.nest(`for (var d = 0u; d < ${this.chunk}u; d++)`, (step) => {
        for (let i = 0; i < this.per; i++) {
          step.push(`let a${i} = ${this.#left}[d * ${this.tile}u + y + ${i * this.lanesAcross}u];`);
          step.push(`let b${i} = ${this.#right}[d * ${this.tile}u + x + ${i * this.lanesAcross}u];`);
        }
        for (let i = 0; i < this.per; i++)
          for (let j = 0; j < this.per; j++) step.push(`${name}_${i}_${j} = fma(a${i}, b${j}, ${name}_${i}_${j});`);
      });
      loop.push("workgroupBarrier();");
    });
  }
  /** Runs `fill` for each score of this invocation with its row and column in the tile. */
  eachScore(fill) {
    for (let i = 0; i < this.per; i++)
      for (let j = 0; j < this.per; j++) fill(i, j, `(y + ${i * this.lanesAcross}u)`, `(x + ${j * this.lanesAcross}u)`);
  }
  /** Declares sums over a head's columns for this invocation's rows. */
  declareSums(name) {
    this.eachSum((i, at2) => this.body.push(`var ${name}_${i}_${at2} = 0.0f;`));
  }
  /** Runs `fill` for each sum with its row in the tile and its column in the head. */
  eachSum(fill) {
    for (let i = 0; i < this.per; i++)
      for (let at2 = 0; at2 < this.#chunks * this.perChunk; at2++) {
        const first = Math.floor(at2 / this.perChunk) * this.chunk + at2 % this.perChunk * this.lanesAcross;
        fill(i, at2, `(y + ${i * this.lanesAcross}u)`, `(x + ${first}u)`);
      }
  }
  /** name += tile · rows, the rows being those from `start` on. */
  accumulate(block, name, tile, rows2, start) {
    for (let c = 0; c < this.#chunks; c++) {
      this.#stage(block, this.#right, rows2, start, u32(c * this.chunk));
      block.push("workgroupBarrier();");
      block.nest(`for (var j = 0u; j < ${this.tile}u; j++)`, (step) => {
        for (let i = 0; i < this.per; i++)
          step.push(`let p${i} = ${tile}[${this.slot(`(y + ${i * this.lanesAcross}u)`, "j")}];`);
        for (let t = 0; t < this.perChunk; t++) {
          step.push(`let v${t} = ${this.#right}[(x + ${t * this.lanesAcross}u) * ${this.tile}u + j];`);
          for (let i = 0; i < this.per; i++) {
            const sum2 = `${name}_${i}_${c * this.perChunk + t}`;
            step.push(`${sum2} = fma(p${i}, v${t}, ${sum2});`);
          }
        }
      });
      block.push("workgroupBarrier();");
    }
  }
  /** Stores sums as rows from `start` on. */
  storeSums(name, output, start, factor) {
    const { headDim } = this.sizes;
    const [, , s, d] = output.view.strides;
    this.eachSum((i, at2, row, column) => {
      const r = this.body.name(plus(start, row));
      const place = plus(plus(output.base, times(r, s)), times(column, d));
      const value = factor ? `${name}_${i}_${at2} * ${factor(row)}` : `${name}_${i}_${at2}`;
      this.body.push(
        `if (${r} < ${output.count}u && ${column} < ${headDim}u) { ${this.writer.store(output.view.storage, place, value)} }`
      );
    });
  }
  /** Brings the visibility of the tile's queries into workgroup memory; call on every new tile of queries. */
  stageVisibility(block, visibility, batch2, start) {
    const shared = this.writer.workgroupArray("seen", "i32", this.tile * 4);
    const stride = visibility.shape[0] === 1 ? 0 : visibility.strides[0];
    const p = this.writer.newName("p");
    block.nest(`for (var ${p} = lid; ${p} < ${this.tile * 4}u; ${p} += ${this.lanes}u)`, (each2) => {
      const row = each2.name(`min(${start} + ${p} / 4u, ${this.sizes.queries - 1}u)`);
      const at2 = [
        times(batch2, stride),
        times(row, visibility.strides[1]),
        times(`(${p} % 4u)`, visibility.strides[2]),
        u32(visibility.offset)
      ].reduce(plus);
      each2.push(`${shared}[${p}] = ${this.writer.load(visibility.storage, at2)};`);
    });
    block.push("workgroupBarrier();");
    return shared;
  }
  /** Whether key `key` is seen by the tile's query `row`, query number `query`. */
  sees(query, row, key, shared) {
    const { queries, keys } = this.sizes;
    const exists = `${query} < ${queries}u && ${key} < ${keys}u`;
    if (shared === void 0) return `${exists} && ${key} <= ${query} + ${keys - queries}u`;
    const [last, first, prefixEnd, branchStart] = [0, 1, 2, 3].map((i) => `${shared}[${row} * 4u + ${i}u]`);
    const k = `i32(${key})`;
    return `${exists} && ${k} <= ${last} && ${k} >= ${first} && (${k} < ${prefixEnd} || ${k} >= ${branchStart})`;
  }
};

// ../tensor/src/backend-webgpu/kernels/attention.wgsl.ts
function attentionLayout(node2, i) {
  const { shape } = node2.outputs[i].aval;
  if (shape.length !== 4) return void 0;
  const [, heads, rows2, headDim] = shape;
  return [rows2 * heads * headDim, headDim, heads * headDim, 1];
}
function attentionKernel(context) {
  const [q, k] = context.node.inputs;
  const sizes = attentionSizes(q.aval.shape, k.aval.shape);
  if (context.profile.software) return walkAttention(context, sizes, scaleOf(context));
  const { batch: batch2, heads, kvHeads, queries, keys } = sizes;
  const flash = new FlashWriter(context, sizes);
  const { body, writer, tile } = flash;
  const blocks = Math.ceil(queries / tile);
  body.push(
    // The last queries see most keys: they go first, so that no long workgroup runs alone at the end.
    `let q0 = (${blocks - 1}u - wg % ${blocks}u) * ${tile}u;`,
    `let head = (wg / ${blocks}u) % ${heads}u;`,
    `let batch = wg / ${blocks * heads}u;`
  );
  const kvHead = body.name(`head / ${heads / kvHeads}u`);
  const [queryRows, keyRows, valueRows] = [
    flash.rows(0, "batch", "head"),
    flash.rows(1, "batch", kvHead),
    flash.rows(2, "batch", kvHead)
  ];
  const tiles2 = flash.scoreTile("tile");
  const largest = writer.workgroupArray("largest", "f32", tile);
  const total = writer.workgroupArray("total", "f32", tile);
  const shrink = writer.workgroupArray("shrink", "f32", tile);
  flash.declareSums("o");
  body.push(`if (lid < ${tile}u) { ${largest}[lid] = ${lowest}; ${total}[lid] = 0.0f; }`);
  const visibility = context.node.inputs[3] && context.view(3);
  const seen2 = visibility && flash.stageVisibility(body, visibility, "batch", "q0");
  const end = visibility ? u32(keys) : body.name(`min(${keys}u, q0 + ${tile + keys - queries}u)`);
  body.nest(`for (var k0 = 0u; k0 < ${end}; k0 += ${tile}u)`, (block) => {
    flash.scores(block, "s", queryRows, "q0", keyRows, "k0");
    flash.eachScore(
      (i, j, row, column) => block.push(
        `${tiles2}[${flash.slot(row, column)}] = select(${lowest}, s_${i}_${j} * ${scaleOf(context)}, ${flash.sees(`q0 + ${row}`, row, `k0 + ${column}`, seen2)});`
      )
    );
    block.push("workgroupBarrier();");
    block.nest(`if (lid < ${tile}u)`, (row) => {
      row.push(`let before = ${largest}[lid];`, "var now = before;");
      row.push(`for (var j = 0u; j < ${tile}u; j++) { now = max(now, ${tiles2}[${flash.slot("lid", "j")}]); }`);
      row.push("var sum = 0.0f;");
      row.nest(`for (var j = 0u; j < ${tile}u; j++)`, (each2) => {
        each2.push(`let s = ${tiles2}[${flash.slot("lid", "j")}];`);
        each2.push(`let p = select(0.0f, exp(s - now), s > ${lowest});`);
        each2.push(`${tiles2}[${flash.slot("lid", "j")}] = p;`, "sum += p;");
      });
      row.push(
        "let keep = exp(before - now);",
        `${shrink}[lid] = keep;`,
        `${largest}[lid] = now;`,
        `${total}[lid] = ${total}[lid] * keep + sum;`
      );
    });
    block.push("workgroupBarrier();");
    flash.eachSum((i, at2, row) => block.push(`o_${i}_${at2} *= ${shrink}[${row}];`));
    flash.accumulate(block, "o", tiles2, valueRows, "k0");
  });
  const output = context.output(0);
  flash.storeSums("o", flash.rows(output, "batch", "head"), "q0", (row) => `(1.0f / max(${total}[${row}], 1e-37f))`);
  const logSums = context.output(1).storage;
  body.nest(
    `if (lid < ${tile}u && q0 + lid < ${queries}u)`,
    (block) => block.push(
      writer.store(
        logSums,
        `(batch * ${heads}u + head) * ${queries}u + q0 + lid`,
        `${largest}[lid] + log(max(${total}[lid], 1e-37f))`
      )
    )
  );
  return writer.finish({
    label: `attention ${queries}\xD7${keys}`,
    workgroups: batch2 * heads * blocks,
    workgroupSize: flash.lanes,
    joinable: false
  });
}
var scaleOf = (context) => `${Math.fround(context.node.params.scale)}f`;

// ../tensor/src/backend-webgpu/kernels/rows.wgsl.ts
var combineText = (combine, a, b) => combine === "sum" ? `${a} + ${b}` : `max(${a}, ${b})`;
var rowLanes = (length) => length >= 1024 ? 256 : length >= 64 ? 64 : 32;
var rowsPerWorkgroup = 64;
var RowWriter = class {
  constructor(rows2, length, solo) {
    this.rows = rows2;
    this.length = length;
    this.solo = solo;
    this.#lanes = solo ? 1 : rowLanes(length);
  }
  rows;
  length;
  solo;
  writer = new KernelWriter();
  #lanes;
  /** Runs `fill` with the row's number and the block in which it is worked on. */
  write(label, fill) {
    const { body } = this.writer;
    if (!this.solo) {
      fill("wg", body);
      return this.writer.finish({ label, workgroups: this.rows, workgroupSize: this.#lanes });
    }
    body.push(`let row = wg * ${rowsPerWorkgroup}u + lid;`);
    body.nest(`if (row < ${this.rows}u)`, (block) => fill("row", block));
    const workgroups = Math.ceil(this.rows / rowsPerWorkgroup);
    return this.writer.finish({ label, workgroups, workgroupSize: rowsPerWorkgroup });
  }
  /** Runs `fill` for each element of the row that falls to this lane; `column` is its place. */
  each(body, fill) {
    const column = this.writer.newName("c");
    const from = this.solo ? "0u" : "lid";
    body.nest(
      `for (var ${column} = ${from}; ${column} < ${this.length}u; ${column} += ${this.#lanes}u)`,
      (block) => fill(column, block)
    );
  }
  /** Runs `fill` once a row. */
  once(body, fill) {
    if (this.solo) fill(body);
    else body.nest("if (lid == 0u)", fill);
  }
  /** Reduces what `terms` gives for each element, over the row. */
  reduce(body, combines, terms, type = "f32") {
    const names = combines.map((combine) => {
      const name = this.writer.newName("r");
      body.push(`var ${name} = ${startOf(combine, type)};`);
      return name;
    });
    this.each(body, (column, block) => {
      const values = terms(column, block);
      names.forEach((name, i) => block.push(`${name} = ${combineText(combines[i], name, values[i])};`));
    });
    return names.map((name, i) => this.solo ? name : reduceLanes(body, name, combines[i], this.#lanes, type));
  }
};
var startOf = (combine, type) => combine === "sum" ? { f32: "0.0f", i32: "0i", u32: "0u" }[type] : { f32: f32(-34e37), i32: "(-2147483647i - 1i)", u32: "0u" }[type];
function reduceLanes(block, value, combine, lanes2, type) {
  const { writer } = block;
  const shared = writer.workgroupArray(writer.newName("lanes"), type, lanes2);
  block.push(`${shared}[lid] = ${value};`, "workgroupBarrier();");
  for (let half = lanes2 / 2; half >= 1; half /= 2)
    block.push(
      `if (lid < ${half}u) { ${shared}[lid] = ${combineText(combine, `${shared}[lid]`, `${shared}[lid + ${half}u]`)}; }`,
      "workgroupBarrier();"
    );
  return block.name(`${shared}[0]`);
}
function rowKernel(context, write) {
  const { shape } = context.node.outputs[0].aval;
  const length = shape.at(-1) ?? 1;
  const row = new RowWriter(sizeOf(shape) / length, length, context.profile.software);
  return row.write(context.node.op, (number, body) => {
    const position = (column) => new Position(shape, { flat: nestedIndex(number, length, column) });
    const element2 = write({
      row,
      body,
      at: (i, column, block) => context.read(i, position(column), block),
      weight: (i, column, block) => context.read(i, new Position([length], { flat: column, coordinates: [column] }), block)
    });
    row.each(body, (column, block) => context.finish(element2(column, block), position(column), block));
  });
}
var softmaxKernel = (context) => rowKernel(context, ({ row, body, at: at2 }) => {
  const [largest] = row.reduce(body, ["max"], (c, block) => [at2(0, c, block)]);
  const power2 = (c, block) => `exp(${at2(0, c, block)} - ${largest})`;
  const [total] = row.reduce(body, ["sum"], (c, block) => [power2(c, block)]);
  const inverse = body.name(`1.0f / ${total}`);
  return (c, block) => block.name(`${power2(c, block)} * ${inverse}`);
});
var rmsNormKernel = (context) => rowKernel(context, ({ row, body, at: at2, weight }) => {
  const [squares] = row.reduce(body, ["sum"], (c, block) => {
    const x = at2(0, c, block);
    return [`${x} * ${x}`];
  });
  const inverse = body.name(
    `inverseSqrt(${squares} * ${f32(1 / row.length)} + ${f32(context.node.params.epsilon)})`
  );
  return (c, block) => block.name(`${at2(0, c, block)} * ${inverse} * ${weight(1, c, block)}`);
});
var rmsNormGradKernel = (context) => rowKernel(context, ({ row, body, at: at2, weight }) => {
  const weighted = (c, block) => block.name(`${weight(1, c, block)} * ${at2(2, c, block)}`);
  const [squares, projection] = row.reduce(body, ["sum", "sum"], (c, block) => {
    const x = at2(0, c, block);
    return [`${x} * ${x}`, `${x} * ${weighted(c, block)}`];
  });
  const scale = f32(1 / row.length);
  const inverse = body.name(`inverseSqrt(${squares} * ${scale} + ${f32(context.node.params.epsilon)})`);
  const factor = body.name(`${projection} * ${scale} * ${inverse} * ${inverse} * ${inverse}`);
  return (c, block) => block.name(`${weighted(c, block)} * ${inverse} - ${at2(0, c, block)} * ${factor}`);
});

// ../tensor/src/backend-webgpu/kernels/attention-grad.wgsl.ts
var [Q, K, V, O, LOG_SUM, G, VISIBILITY] = [0, 1, 2, 3, 4, 5, 6];
function attentionGradKernels(context) {
  const [q, k] = context.node.inputs;
  const sizes = attentionSizes(q.aval.shape, k.aval.shape);
  const rowDots = context.temporary("f32", sizes.batch * sizes.heads * sizes.queries);
  const dots = rowDotKernel(context, sizes, rowDots);
  return context.profile.software ? [dots, ...walkAttentionGrad(context, sizes, scaleOf(context), rowDots)] : [dots, keyKernel(context, sizes, rowDots), queryKernel(context, sizes, rowDots)];
}
function rowDotKernel(context, { batch: batch2, heads, queries, headDim }, rowDots) {
  const row = new RowWriter(batch2 * heads * queries, headDim, context.profile.software);
  return row.write("attentionGrad row dots", (number, body) => {
    const index = new Position([batch2, heads, queries], { flat: number }).coordinates(body);
    const at2 = (i, column, block) => {
      const { storage, strides, offset } = context.view(i);
      const place = [...index, column].reduce((sum3, c, axis) => plus(sum3, times(c, strides[axis])), u32(offset));
      return block.name(row.writer.load(storage, place));
    };
    const [sum2] = row.reduce(body, ["sum"], (c, block) => [`${at2(G, c, block)} * ${at2(O, c, block)}`]);
    row.once(body, (block) => block.push(row.writer.store(rowDots, number, sum2)));
  });
}
function stageStatistics(flash, block, context, rowDots, head) {
  const { queries, heads } = flash.sizes;
  const { writer, tile } = flash;
  const logSums = writer.workgroupArray("logSums", "f32", tile);
  const dots = writer.workgroupArray("dots", "f32", tile);
  const view = context.view(LOG_SUM);
  block.nest(`if (lid < ${tile}u)`, (each2) => {
    const query = each2.name(`min(q0 + lid, ${queries - 1}u)`);
    const [b, h, s] = view.strides;
    const place = [times("batch", b), times(head, h), times(query, s), u32(view.offset)].reduce(plus);
    each2.push(`${logSums}[lid] = ${writer.load(view.storage, place)};`);
    each2.push(`${dots}[lid] = ${writer.load(rowDots, `(batch * ${heads}u + ${head}) * ${queries}u + ${query}`)};`);
  });
  block.push("workgroupBarrier();");
  return [logSums, dots];
}
function queryKernel(context, sizes, rowDots) {
  const { batch: batch2, heads, kvHeads, queries, keys } = sizes;
  const flash = new FlashWriter(context, sizes);
  const { body, writer, tile } = flash;
  const blocks = Math.ceil(queries / tile);
  body.push(
    `let q0 = (${blocks - 1}u - wg % ${blocks}u) * ${tile}u;`,
    `let head = (wg / ${blocks}u) % ${heads}u;`,
    `let batch = wg / ${blocks * heads}u;`
  );
  const kvHead = body.name(`head / ${heads / kvHeads}u`);
  const [q, g] = [flash.rows(Q, "batch", "head"), flash.rows(G, "batch", "head")];
  const [k, v] = [flash.rows(K, "batch", kvHead), flash.rows(V, "batch", kvHead)];
  const tiles2 = flash.scoreTile("tile");
  flash.declareSums("dq");
  const visibility = context.node.inputs[VISIBILITY] && context.view(VISIBILITY);
  const seen2 = visibility && flash.stageVisibility(body, visibility, "batch", "q0");
  const [logSums, dots] = stageStatistics(flash, body, context, rowDots, "head");
  const end = visibility ? u32(keys) : body.name(`min(${keys}u, q0 + ${tile + keys - queries}u)`);
  body.nest(`for (var k0 = 0u; k0 < ${end}; k0 += ${tile}u)`, (block) => {
    flash.scores(block, "s", q, "q0", k, "k0");
    flash.scores(block, "dp", g, "q0", v, "k0");
    flash.eachScore((i, j, row, column) => {
      const p = `exp(s_${i}_${j} * ${scaleOf(context)} - ${logSums}[${row}])`;
      const sees = flash.sees(`q0 + ${row}`, row, `k0 + ${column}`, seen2);
      block.push(
        `${tiles2}[${flash.slot(row, column)}] = select(0.0f, ${p} * (dp_${i}_${j} - ${dots}[${row}]) * ${scaleOf(context)}, ${sees});`
      );
    });
    block.push("workgroupBarrier();");
    flash.accumulate(block, "dq", tiles2, k, "k0");
  });
  flash.storeSums("dq", flash.rows(context.output(0), "batch", "head"), "q0");
  return writer.finish({
    label: `attentionGrad q ${queries}\xD7${keys}`,
    workgroups: batch2 * heads * blocks,
    workgroupSize: flash.lanes
  });
}
function keyKernel(context, sizes, rowDots) {
  const { batch: batch2, heads, kvHeads, queries, keys } = sizes;
  const group = heads / kvHeads;
  const flash = new FlashWriter(context, sizes);
  const { body, writer, tile } = flash;
  const blocks = Math.ceil(keys / tile);
  body.push(
    `let k0 = (wg % ${blocks}u) * ${tile}u;`,
    `let kvHead = (wg / ${blocks}u) % ${kvHeads}u;`,
    `let batch = wg / ${blocks * kvHeads}u;`
  );
  const [k, v] = [flash.rows(K, "batch", "kvHead"), flash.rows(V, "batch", "kvHead")];
  const tiles2 = flash.scoreTile("tile");
  flash.declareSums("dk");
  flash.declareSums("dv");
  const visibility = context.node.inputs[VISIBILITY] && context.view(VISIBILITY);
  const skipped = keys - queries;
  const start = visibility ? "0u" : body.name(`(max(k0, ${skipped}u) - ${skipped}u) / ${tile}u * ${tile}u`);
  body.nest(`for (var step = 0u; step < ${group}u; step++)`, (heads_) => {
    heads_.push(`let head = kvHead * ${group}u + step;`);
    const base = (i) => {
      const view = context.view(i);
      const [b, h] = view.strides;
      const at2 = heads_.name([times("batch", b), times("head", h), u32(view.offset)].reduce(plus));
      return { view, base: at2, count: view.shape[2] };
    };
    const [q, g] = [base(Q), base(G)];
    heads_.nest(`for (var q0 = ${start}; q0 < ${queries}u; q0 += ${tile}u)`, (block) => {
      const seen2 = visibility && flash.stageVisibility(block, visibility, "batch", "q0");
      const [logSums, dots] = stageStatistics(flash, block, context, rowDots, "head");
      flash.scores(block, "s", k, "k0", q, "q0");
      flash.scores(block, "dp", v, "k0", g, "q0");
      flash.eachScore((i, j, row, column) => {
        const sees = flash.sees(`q0 + ${column}`, column, `k0 + ${row}`, seen2);
        block.push(
          `s_${i}_${j} = select(0.0f, exp(s_${i}_${j} * ${scaleOf(context)} - ${logSums}[${column}]), ${sees});`,
          `${tiles2}[${flash.slot(row, column)}] = s_${i}_${j};`
        );
      });
      block.push("workgroupBarrier();");
      flash.accumulate(block, "dv", tiles2, g, "q0");
      flash.eachScore(
        (i, j, row, column) => block.push(
          `${tiles2}[${flash.slot(row, column)}] = s_${i}_${j} * (dp_${i}_${j} - ${dots}[${column}]) * ${scaleOf(context)};`
        )
      );
      block.push("workgroupBarrier();");
      flash.accumulate(block, "dk", tiles2, q, "q0");
    });
  });
  flash.storeSums("dk", flash.rows(context.output(1), "batch", "kvHead"), "k0");
  flash.storeSums("dv", flash.rows(context.output(2), "batch", "kvHead"), "k0");
  return writer.finish({
    label: `attentionGrad k v ${queries}\xD7${keys}`,
    workgroups: batch2 * kvHeads * blocks,
    workgroupSize: flash.lanes
  });
}

// ../tensor/src/backend-webgpu/kernels/matrix-operand.ts
function dotShape2(a, b, output, { transposeA, transposeB }) {
  const folded = !transposeA && sizeOf(b.slice(0, -2)) === 1 && sizeOf(a.slice(0, -2)) === sizeOf(output.slice(0, -2));
  const k = a.at(transposeA ? -2 : -1);
  const n = b.at(transposeB ? -2 : -1);
  const [batch2, m] = folded ? [[], sizeOf(output.slice(0, -1))] : [output.slice(0, -2), output.at(-2)];
  return { batch: batch2, m, n, k, folded };
}
var isFourfold = (...values) => values.every((v) => v % 4 === 0);
function strided(view, transposed, batchRank, folded) {
  const matrix = folded ? reshapeView(view, [sizeOf(view.shape.slice(0, -1)), view.shape.at(-1)]) : view;
  if (!matrix) return void 0;
  const [row, column] = matrix.strides.slice(-2);
  const lead = matrix.strides.slice(0, -2);
  const batch2 = [
    ...Array.from({ length: batchRank - lead.length }, () => 0),
    ...lead.map((s, i) => matrix.shape[i] === 1 ? 0 : s)
  ];
  return { outer: transposed ? column : row, k: transposed ? row : column, batch: batch2, offset: matrix.offset };
}
function matrixOperand(context, i, shape, batch2, kernel) {
  const { params } = context.node;
  const inputShape2 = context.node.inputs[i].aval.shape;
  const kFirst = i === 0 ? params.transposeA : !params.transposeB;
  const folded = shape.folded && i === 0;
  const view = context.view(i);
  const strides = view && strided(view, kFirst, shape.batch.length, folded);
  if (view && strides) {
    const base = kernel.name(
      strides.batch.reduce((sum2, stride, axis) => plus(sum2, times(batch2[axis], stride)), u32(strides.offset))
    );
    const place = (outer, k) => plus(plus(times(outer, strides.outer), times(k, strides.k)), base);
    const outerSize = i === 0 ? shape.m : shape.n;
    const floats = ["f32", "f16", "halves", "brains"].includes(view.storage.element);
    const isEven = floats && isFourfold(strides.offset, view.storage.length, ...strides.batch);
    const along = isEven && strides.k === 1 && isFourfold(shape.k, outerSize === 1 ? 0 : strides.outer) ? "k" : isEven && strides.outer === 1 && isFourfold(outerSize, shape.k === 1 ? 0 : strides.k) ? "outer" : void 0;
    return {
      along,
      element: (outer, k, block) => block.name(block.writer.load(view.storage, block.name(place(outer, k)))),
      quad: (outer, k, block) => block.name(block.writer.load4(view.storage, over(place(outer, k), 4)))
    };
  }
  const element2 = (outer, k, block) => {
    const [row, column] = kFirst ? [k, outer] : [outer, k];
    const position = folded ? new Position(inputShape2, { flat: block.name(nestedIndex(outer, shape.k, k)) }) : operandPosition(inputShape2, batch2, row, column);
    return context.read(i, position, block);
  };
  return {
    along: void 0,
    element: element2,
    quad: () => {
      throw new Error("no four neighbours");
    }
  };
}
function quadAlongK(operand, outer, k, size, block) {
  if (operand.along === "k") return operand.quad(outer, k, block);
  return block.name(
    `vec4f(${[0, 1, 2, 3].map((c) => guarded(operand, outer, plus(k, u32(c)), size, block)).join(", ")})`
  );
}
function quadAlongOuter(operand, outer, k, size, block) {
  if (operand.along === "outer") return operand.quad(outer, k, block);
  const at2 = (c) => block.name(`min(${plus(outer, u32(c))}, ${u32(size - 1)})`);
  return block.name(`vec4f(${[0, 1, 2, 3].map((c) => operand.element(at2(c), k, block)).join(", ")})`);
}
function guarded(operand, outer, k, size, block) {
  if (size % 4 === 0) return operand.element(outer, block.name(k), block);
  const inside = block.name(k);
  const clamped = block.name(`min(${inside}, ${u32(size - 1)})`);
  return `select(0.0f, ${operand.element(outer, clamped, block)}, ${inside} < ${u32(size)})`;
}
var batchCoordinates = (shape, b, block) => shape.batch.length === 0 ? [] : new Position(shape.batch, { flat: b }).coordinates(block);

// ../tensor/src/backend-webgpu/kernels/dot-registers.wgsl.ts
var workgroupSize2 = 64;
function registerDot(context, shape) {
  const { m, n, k } = shape;
  const [tilesM, tilesN] = [Math.ceil(m / 4), Math.ceil(n / 4)];
  const total = sizeOf(shape.batch) * tilesM * tilesN;
  const writer = new KernelWriter();
  writer.body.push(`let tile = wg * ${workgroupSize2}u + lid;`);
  writer.body.nest(`if (tile < ${total}u)`, (body) => {
    body.push(
      `let n0 = (tile % ${tilesN}u) * 4u;`,
      `let m0 = ((tile / ${tilesN}u) % ${tilesM}u) * 4u;`,
      `let batch = tile / ${tilesM * tilesN}u;`
    );
    const batch2 = batchCoordinates(shape, "batch", body);
    const a = matrixOperand(context, 0, shape, batch2, body);
    const b = matrixOperand(context, 1, shape, batch2, body);
    const rows2 = [0, 1, 2, 3].map((i) => body.name(m % 4 === 0 ? `m0 + ${i}u` : `min(m0 + ${i}u, ${m - 1}u)`));
    const columns = [0, 1, 2, 3].map((j) => body.name(n % 4 === 0 ? `n0 + ${j}u` : `min(n0 + ${j}u, ${n - 1}u)`));
    for (const i of rows2.keys()) body.push(`var acc${i} = vec4f();`);
    const isComputed = context.view(0) === void 0 || context.view(1) === void 0;
    if (isComputed)
      body.nest(`for (var k = 0u; k < ${k}u; k++)`, (block) => {
        const right = block.name(`vec4f(${columns.map((column) => b.element(column, "k", block)).join(", ")})`);
        rows2.forEach((row, i) => block.push(`acc${i} += ${a.element(row, "k", block)} * ${right};`));
      });
    else
      body.nest(`for (var k = 0u; k < ${k}u; k += 4u)`, (block) => {
        const right = rightBlock(block, columns);
        const left = leftBlock(block, rows2);
        for (const i of rows2.keys())
          block.push(`acc${i} += ${[0, 1, 2, 3].map((c) => `${left(i, c)} * ${right[c]}`).join(" + ")};`);
      });
    function rightBlock(block, along) {
      if (b.along === "outer") return [0, 1, 2, 3].map((c) => quadAlongOuter(b, "n0", innerIndex(block, c), n, block));
      const turned = along.map((column) => quadAlongK(b, column, "k", k, block));
      return [0, 1, 2, 3].map((c) => block.name(`vec4f(${turned.map((v) => `${v}[${c}]`).join(", ")})`));
    }
    function leftBlock(block, along) {
      if (a.along === "outer") {
        const quads2 = [0, 1, 2, 3].map((c) => {
          const quad2 = quadAlongOuter(a, "m0", innerIndex(block, c), m, block);
          return k % 4 === 0 ? quad2 : block.name(`select(vec4f(), ${quad2}, k + ${c}u < ${k}u)`);
        });
        return (i, c) => `${quads2[c]}[${i}]`;
      }
      const quads = along.map((row) => quadAlongK(a, row, "k", k, block));
      return (i, c) => `${quads[i]}[${c}]`;
    }
    function innerIndex(block, c) {
      return block.name(k % 4 === 0 ? `k + ${c}u` : `min(k + ${c}u, ${k - 1}u)`);
    }
    writeTile(context, shape, body, {
      values: [0, 1, 2, 3].flatMap((i) => [0, 1, 2, 3].map((j) => `acc${i}[${j}]`)),
      row: (at2) => `m0 + ${at2} / 4u`,
      column: (at2) => `n0 + ${at2} % 4u`,
      isWhole: m % 4 === 0 && n % 4 === 0
    });
  });
  return writer.finish({
    label: `dot ${m}\xD7${n}\xD7${k}`,
    workgroups: Math.ceil(total / workgroupSize2),
    workgroupSize: workgroupSize2,
    joinable: total < 65536
  });
}
function writeTile(context, shape, body, part) {
  const { m, n } = shape;
  const output = context.node.outputs[0].aval.shape;
  body.push(`var sums = array<f32, ${part.values.length}>(${part.values.join(", ")});`);
  body.nest(`for (var at = 0u; at < ${part.values.length}u; at++)`, (block) => {
    block.push(`let m = ${part.row("at")};`, `let n = ${part.column("at")};`, "let x = sums[at];");
    const write = (inner) => {
      const flat = inner.name(nestedIndex(shape.batch.length === 0 ? "m" : `(batch * ${u32(m)} + m)`, n, "n"));
      const coordinates = shape.folded && output.length > 2 ? void 0 : [...batchCoordinates(shape, "batch", inner), "m", "n"];
      context.finish("x", new Position(output, coordinates ? { flat, coordinates } : { flat }), inner);
    };
    if (part.isWhole) write(block);
    else block.nest(`if (m < ${m}u && n < ${n}u)`, write);
  });
}

// ../tensor/src/backend-webgpu/kernels/dot-tiles.wgsl.ts
function loadTile(block, operand, shared, {
  size,
  inner,
  lanes: lanes2,
  start,
  limit,
  k,
  convert: convert2 = (x) => x
}) {
  const width = operand.along === void 0 ? 1 : 4;
  const loads = size * inner / width;
  const place = block.writer.newName("p");
  block.nest(`for (var ${place} = lid; ${place} < ${loads}u; ${place} += ${lanes2}u)`, (body) => {
    const [outerFast, outerSlow] = [size / width, inner / width];
    const outer = body.name(
      operand.along === "k" ? `${place} / ${outerSlow}u` : `(${place} % ${outerFast}u) * ${width}u`
    );
    const inside = body.name(operand.along === "k" ? `(${place} % ${outerSlow}u) * 4u` : `${place} / ${outerFast}u`);
    const row = body.name(plus(start, outer));
    const kk = body.name(plus("k0", inside));
    const fits = body.name(`${row} < ${limit}u && ${kk} < ${k}u`);
    const clampedRow = body.name(`min(${row}, ${u32(operand.along === "outer" ? limit - 4 : limit - 1)})`);
    const clampedK = body.name(`min(${kk}, ${u32(operand.along === "k" ? k - 4 : k - 1)})`);
    const slot = (c) => operand.along === "k" ? plus(times(`(${inside} + ${c}u)`, size), outer) : plus(times(inside, size), c === 0 ? outer : `(${outer} + ${c}u)`);
    if (width === 1) {
      const x2 = operand.element(clampedRow, clampedK, body);
      body.push(`${shared}[${slot(0)}] = ${convert2(`select(0.0f, ${x2}, ${fits})`)};`);
      return;
    }
    const x = body.name(`select(vec4f(), ${operand.quad(clampedRow, clampedK, body)}, ${fits})`);
    for (let c = 0; c < 4; c++) body.push(`${shared}[${slot(c)}] = ${convert2(`${x}[${c}]`)};`);
  });
}
function placeTile(body, shape, rows2, columns) {
  const [tilesM, tilesN] = [Math.ceil(shape.m / rows2), Math.ceil(shape.n / columns)];
  body.push(
    `let m0 = (wg % ${tilesM}u) * ${rows2}u;`,
    `let n0 = ((wg / ${tilesM}u) % ${tilesN}u) * ${columns}u;`,
    `let batch = wg / ${tilesM * tilesN}u;`
  );
  return sizeOf(shape.batch) * tilesM * tilesN;
}
function tiledDot(context, shape, tile) {
  const { rows: rows2, columns, inner, lanesX, lanesY } = tile;
  const lanes2 = lanesX * lanesY;
  const [perRow, perColumn] = [rows2 / lanesY, columns / lanesX];
  const writer = new KernelWriter();
  const { body } = writer;
  const workgroups = placeTile(body, shape, rows2, columns);
  body.push(`let x = lid % ${lanesX}u;`, `let y = lid / ${lanesX}u;`);
  const batch2 = batchCoordinates(shape, "batch", body);
  const a = matrixOperand(context, 0, shape, batch2, body);
  const b = matrixOperand(context, 1, shape, batch2, body);
  const left = writer.workgroupArray("left", "f32", inner * rows2);
  const right = writer.workgroupArray("right", "f32", inner * columns);
  const sums = Array.from({ length: perRow }, (_, i) => Array.from({ length: perColumn }, (_u, j) => `acc${i}_${j}`));
  body.push(...sums.flat().map((sum2) => `var ${sum2} = 0.0f;`));
  body.nest(`for (var k0 = 0u; k0 < ${shape.k}u; k0 += ${inner}u)`, (block) => {
    loadTile(block, a, left, { size: rows2, inner, lanes: lanes2, start: "m0", limit: shape.m, k: shape.k });
    loadTile(block, b, right, { size: columns, inner, lanes: lanes2, start: "n0", limit: shape.n, k: shape.k });
    block.push("workgroupBarrier();");
    block.nest(`for (var k = 0u; k < ${inner}u; k++)`, (step) => {
      for (let i = 0; i < perRow; i++) step.push(`let a${i} = ${left}[k * ${rows2}u + y + ${i * lanesY}u];`);
      for (let j = 0; j < perColumn; j++) step.push(`let b${j} = ${right}[k * ${columns}u + x + ${j * lanesX}u];`);
      sums.forEach((line, i) => line.forEach((sum2, j) => step.push(`${sum2} = fma(a${i}, b${j}, ${sum2});`)));
    });
    block.push("workgroupBarrier();");
  });
  writeTile(context, shape, body, {
    values: sums.flat(),
    row: (at2) => `m0 + y + (${at2} / ${perColumn}u) * ${lanesY}u`,
    column: (at2) => `n0 + x + (${at2} % ${perColumn}u) * ${lanesX}u`,
    isWhole: shape.m % rows2 === 0 && shape.n % columns === 0
  });
  return writer.finish({
    label: `dot ${shape.m}\xD7${shape.n}\xD7${shape.k}`,
    workgroups,
    workgroupSize: lanes2,
    joinable: workgroups < 512
  });
}

// ../tensor/src/backend-webgpu/kernels/dot.wgsl.ts
var coveredByTile = 64;
function dotOperand(node2, i) {
  const { shape } = node2.outputs[0].aval;
  const otherSide = i === 0 ? shape.at(-1) : sizeOf(shape.slice(0, -1));
  return otherSide <= coveredByTile ? "cheap" : "view";
}
var tiles = [
  { rows: 128, columns: 128, inner: 16, lanesX: 16, lanesY: 16 },
  { rows: 64, columns: 64, inner: 16, lanesX: 16, lanesY: 16 },
  { rows: 64, columns: 16, inner: 32, lanesX: 16, lanesY: 16 },
  { rows: 16, columns: 64, inner: 32, lanesX: 16, lanesY: 16 },
  { rows: 16, columns: 16, inner: 64, lanesX: 16, lanesY: 16 }
];
function chooseTile({ batch: batch2, m, n }) {
  const fits = ({ rows: rows2, columns }) => rows2 / 2 < m && columns / 2 < n;
  const workgroups = ({ rows: rows2, columns }) => sizeOf(batch2) * Math.ceil(m / rows2) * Math.ceil(n / columns);
  return tiles.find((tile) => fits(tile) && workgroups(tile) >= 96) ?? tiles.filter(fits).at(-1) ?? tiles.at(-1);
}
function dotKernel(context) {
  const { node: node2, profile } = context;
  const [a, b] = node2.inputs;
  const shape = dotShape2(a.aval.shape, b.aval.shape, node2.outputs[0].aval.shape, node2.params);
  return profile.software ? registerDot(context, shape) : tiledDot(context, shape, chooseTile(shape));
}

// ../tensor/src/backend-webgpu/kernels/reduce.wgsl.ts
var longReduction = 64;
var reduceKernel = (combine) => (context) => {
  const { node: node2, profile } = context;
  const { axes, keepDims } = node2.params;
  const input2 = node2.inputs[0].aval;
  const output = node2.outputs[0].aval;
  const reduced = axes.map((axis) => input2.shape[axis]);
  const type = input2.dtype === "i32" || input2.dtype === "u32" ? input2.dtype : "f32";
  const element2 = (o, k, block) => {
    const outer = o.coordinates(block);
    const inner = new Position(reduced, { flat: k }).coordinates(block);
    let kept = 0;
    const coordinates = input2.shape.map((_, i) => {
      const at2 = axes.indexOf(i);
      if (at2 < 0) return outer[kept++];
      if (keepDims) kept++;
      return inner[at2];
    });
    const covers = axes.length === input2.shape.length && axes.every((axis, i) => axis === i);
    return context.read(0, new Position(input2.shape, covers ? { flat: k, coordinates } : { coordinates }), block);
  };
  const length = sizeOf(reduced);
  const row = new RowWriter(sizeOf(output.shape), length, profile.software || length < longReduction);
  return row.write(node2.op, (number, body) => {
    const position = new Position(output.shape, { flat: number });
    const [result] = row.reduce(body, [combine], (k, block) => [element2(position, k, block)], type);
    row.once(body, (block) => context.finish(result, position, block));
  });
};

// ../tensor/src/backend-webgpu/kernels/scatter-add.wgsl.ts
var lanes = 64;
function scatterAddKernel(context) {
  const { node: node2 } = context;
  const indices = node2.inputs[0].aval.shape;
  const updates = node2.inputs[1].aval.shape;
  const output = node2.outputs[0].aval.shape;
  const count2 = sizeOf(indices);
  const columns = sizeOf(updates.slice(indices.length));
  const writer = new KernelWriter();
  const { body } = writer;
  const found = writer.workgroupArray("found", "u32", lanes);
  const passes = Math.ceil(columns / lanes);
  body.nest(`for (var round = 0u; round < ${passes}u; round++)`, (block) => {
    block.push(`let column = round * ${lanes}u + lid;`, "var sum = 0.0f;");
    block.nest(`for (var start = 0u; start < ${count2}u; start += ${lanes}u)`, (chunk) => {
      chunk.push("let own = start + lid;");
      chunk.push(`${found}[lid] = 0u;`);
      chunk.nest(`if (own < ${count2}u)`, (inside) => {
        const index = context.read(0, new Position(indices, { flat: "own" }), inside);
        inside.push(`${found}[lid] = select(0u, 1u, u32(${index}) == wg);`);
      });
      chunk.push("workgroupBarrier();");
      chunk.nest(`for (var j = 0u; j < ${lanes}u; j++)`, (each2) => {
        each2.nest(`if (${found}[j] == 1u && column < ${columns}u)`, (hit) => {
          const flat = nestedIndex("(start + j)", columns, "column");
          hit.push(`sum += ${context.read(1, new Position(updates, { flat }), hit)};`);
        });
      });
      chunk.push("workgroupBarrier();");
    });
    block.nest(
      `if (column < ${columns}u)`,
      (inside) => inside.push(writer.store(context.output(0).storage, nestedIndex("wg", columns, "column"), "sum"))
    );
  });
  return writer.finish({ label: "scatterAdd", workgroups: output[0], workgroupSize: lanes });
}

// ../tensor/src/backend-webgpu/op-table.ts
var read = (work, expression) => ({ work, expression });
var each = (work, write) => read(work, elementwise2(write));
var run = (kernel, operand, { epilogue = false, layout } = {}) => ({
  kernel,
  operand: typeof operand === "string" ? () => operand : operand,
  epilogue,
  ...layout ? { layout } : {}
});
var same = elementwise2((x) => x);
var wgslLowerings = {
  neg: each(1, (x) => `-(${x})`),
  exp: each(4, (x) => `exp(${x})`),
  log: each(4, (x) => `log(${x})`),
  sqrt: each(4, (x) => `sqrt(${x})`),
  rsqrt: each(4, (x) => `inverseSqrt(${x})`),
  sin: read(20, ({ same: same2, writer }) => sinusoid(same2(0), "sin", writer)),
  cos: read(20, ({ same: same2, writer }) => sinusoid(same2(0), "cos", writer)),
  // Some drivers compute tanh from exponentials that overflow.
  tanh: each(6, (x) => `tanh(clamp(${x}, -15.0f, 15.0f))`),
  sigmoid: each(5, (x) => `1.0f / (1.0f + exp(-(${x})))`),
  silu: each(6, (x) => `${x} / (1.0f + exp(-(${x})))`),
  abs: each(1, (x) => `abs(${x})`),
  not: each(1, (x) => `!(${x})`),
  add: each(1, (a, b) => `${a} + ${b}`),
  sub: each(1, (a, b) => `${a} - ${b}`),
  mul: each(1, (a, b) => `${a} * ${b}`),
  div: each(2, (a, b) => `${a} / ${b}`),
  pow: read(
    8,
    ({ same: same2, writer, node: node2, block }) => node2.outputs[0].aval.dtype === "i32" || node2.outputs[0].aval.dtype === "u32" ? `${node2.outputs[0].aval.dtype}(${power(`f32(${same2(0)})`, `f32(${same2(1)})`, block.writer)})` : power(same2(0), same2(1), writer)
  ),
  maximum: each(1, (a, b) => `max(${a}, ${b})`),
  minimum: each(1, (a, b) => `min(${a}, ${b})`),
  eq: each(1, (a, b) => `${a} == ${b}`),
  lt: each(1, (a, b) => `${a} < ${b}`),
  le: each(1, (a, b) => `${a} <= ${b}`),
  and: each(1, (a, b) => `${a} && ${b}`),
  or: each(1, (a, b) => `${a} || ${b}`),
  where: each(1, (c, a, b) => `select(${b}, ${a}, ${c})`),
  cast: read(1, ({ same: same2, node: node2 }) => convert(same2(0), node2.inputs[0].aval.dtype, node2.params.dtype)),
  stopGradient: read(0, same),
  barrier: read(0, ({ same: same2 }) => same2(0)),
  full: read(0, ({ node: { params } }) => constantOf(params.dtype, params.value)),
  literal: read(1, ({ node: { params }, writer, position, block }) => {
    const { dtype, values } = params;
    const names = values.map(
      (value) => dtype === "i32" || dtype === "u32" || dtype === "bool" ? constantOf(dtype, value) : `bitcast<f32>(${writer.parameter(new Uint32Array(Float32Array.of(value).buffer)[0])})`
    );
    const type = dtype === "i32" || dtype === "u32" || dtype === "bool" ? dtype : "f32";
    const table = block.name(`array<${type}, ${values.length}>(${names.join(", ")})`);
    const variable = writer.newName("table");
    block.push(`var ${variable} = ${table};`);
    return `${variable}[${position.flat(block)}]`;
  }),
  iota: read(
    1,
    ({ node: { params }, position, block }) => convert(position.coordinates(block)[params.axis], "u32", params.dtype)
  ),
  sum: run(reduceKernel("sum"), "any", { epilogue: true }),
  max: run(reduceKernel("max"), "any", { epilogue: true }),
  argmax: run(argmaxKernel, "cheap"),
  softmax: run(softmaxKernel, "cheap", { epilogue: true }),
  reshape: read(0, ({ read: at2, position, node: node2, block }) => at2(0, position.reshaped(inputShape(node2, 0), block))),
  transpose: read(
    0,
    movement((c, node2) => {
      const { permutation } = node2.params;
      return permutation.map((_, i) => c[permutation.indexOf(i)]);
    })
  ),
  broadcastTo: read(0, same),
  slice: read(
    0,
    movement((c, node2) => c.map((x, i) => `(${x} + ${u32(node2.params.starts[i] ?? 0)})`))
  ),
  pad: read(3, ({ node: node2, position, block, read: at2 }) => {
    const { low, value } = node2.params;
    const shape = inputShape(node2, 0);
    const shifted = position.coordinates(block).map((c, i) => block.name(`(${c} - ${u32(low[i] ?? 0)})`));
    const inside = shifted.map((c, i) => `${c} < ${u32(shape[i])}`).join(" && ") || "true";
    const clamped = shifted.map((c, i) => block.name(`min(${c}, ${u32(Math.max(0, shape[i] - 1))})`));
    const x = at2(0, new Position(shape, { coordinates: clamped }));
    return `select(${constantOf(node2.outputs[0].aval.dtype, value)}, ${x}, ${inside})`;
  }),
  concat: read(2, ({ node: node2, position, block, read: at2 }) => {
    const { axis } = node2.params;
    const coordinates = position.coordinates(block);
    const c = coordinates[axis];
    let from = 0;
    return node2.inputs.map((value, i) => {
      const size = sizeAt(value, axis);
      const own = from === 0 ? c : block.name(`(${c} - ${u32(from)})`);
      const clamped = block.name(`min(${own}, ${u32(Math.max(0, size - 1))})`);
      const x = at2(i, new Position(value.aval.shape, { coordinates: replaced(coordinates, axis, clamped) }));
      from += size;
      return { x, end: from };
    }).reduceRight((rest, { x, end }) => rest === "" ? x : `select(${rest}, ${x}, ${c} < ${u32(end)})`, "");
  }),
  dynamicSlice: read(2, (context) => {
    const { node: node2, position, block, read: at2 } = context;
    const coordinates = position.coordinates(block);
    const start = indexAt(context, 1, []);
    const moved = replaced(coordinates, node2.params.axis, block.name(`(${coordinates[node2.params.axis]} + ${start})`));
    return at2(0, new Position(inputShape(node2, 0), { coordinates: moved }));
  }),
  dynamicUpdateSlice: read(4, (context) => {
    const { node: node2, position, block, read: at2 } = context;
    const { axis } = node2.params;
    const size = sizeAt(node2.inputs[1], axis);
    const coordinates = position.coordinates(block);
    const own = block.name(`(${coordinates[axis]} - ${indexAt(context, 2, [])})`);
    const clamped = block.name(`min(${own}, ${u32(size - 1)})`);
    const update = at2(1, new Position(inputShape(node2, 1), { coordinates: replaced(coordinates, axis, clamped) }));
    return `select(${at2(0, position)}, ${update}, ${own} < ${u32(size)})`;
  }),
  dot: run(dotKernel, dotOperand, { epilogue: true }),
  gather: read(3, (context) => {
    const { node: node2, position, block, read: at2 } = context;
    const { axis } = node2.params;
    const coordinates = position.coordinates(block);
    const rank = inputShape(node2, 1).length;
    const index = indexAt(context, 1, coordinates.slice(axis, axis + rank));
    const source = [...coordinates.slice(0, axis), index, ...coordinates.slice(axis + rank)];
    return at2(0, new Position(inputShape(node2, 0), { coordinates: source }));
  }),
  scatterAdd: run(scatterAddKernel, (_node, i) => i === 0 ? "cheap" : "any"),
  randomUniform: read(9, ({ node: node2, position, block, read: at2 }) => {
    const bits = randomBits(keyOf2(at2, 0), node2.params.stream, position.flat(block), block);
    return `f32(${bits}) * ${f32(2 ** -24)}`;
  }),
  dropout: read(10, ({ node: node2, position, block, read: at2 }) => {
    const { rate, stream } = node2.params;
    const bits = randomBits(keyOf2(at2, 1), stream, position.flat(block), block);
    const scaled = `${at2(0, position)} * ${f32(1 / (1 - rate))}`;
    return `select(0.0f, ${scaled}, ${bits} >= ${u32(Math.round(rate * 2 ** 24))})`;
  }),
  rmsNorm: run(rmsNormKernel, "cheap", { epilogue: true }),
  rmsNormGrad: run(rmsNormGradKernel, "cheap", { epilogue: true }),
  rope: read(6, ({ node: node2, position, block, read: at2 }) => {
    const [b, h, s, d] = position.coordinates(block);
    const half = inputShape(node2, 0)[3] / 2;
    const table = inputShape(node2, 1);
    const low = block.name(`${d} < ${u32(half)}`);
    const partner = block.name(`select(${d} - ${u32(half)}, ${d} + ${u32(half)}, ${low})`);
    const column = block.name(`select(${d} - ${u32(half)}, ${d}, ${low})`);
    const angle = new Position(table, { coordinates: [table[0] === 1 ? "0u" : b, s, column] });
    const x = at2(0, position);
    const y = at2(0, new Position(position.shape, { coordinates: [b, h, s, partner] }));
    const sine = at2(2, angle);
    return `${x} * ${at2(1, angle)} + ${y} * select(${sine}, -${sine}, ${low})`;
  }),
  attention: run(attentionKernel, "view", { layout: attentionLayout }),
  attentionGrad: run(attentionGradKernels, "view", { layout: attentionLayout }),
  linearCrossEntropy: "decompose",
  linearCrossEntropyGradInput: "decompose",
  linearCrossEntropyGradWeight: "decompose"
};

// ../tensor/src/backend-webgpu/kernel.ts
var KernelContext = class {
  constructor(schedule, cluster, needed) {
    this.schedule = schedule;
    this.cluster = cluster;
    this.needed = needed;
  }
  schedule;
  cluster;
  needed;
  get node() {
    return this.cluster.node;
  }
  get profile() {
    return this.schedule.profile;
  }
  /** Element of input `i` at `position`. */
  read(i, position, block) {
    return this.evaluate(this.node.inputs[i], position, block);
  }
  /** Input `i` as a window on stored elements; undefined when it is computed on the way. */
  view(i) {
    return this.schedule.views.get(this.node.inputs[i]);
  }
  output(i) {
    return this.schedule.views.get(this.node.outputs[i]);
  }
  /** A storage that only this kernel's dispatches use. */
  temporary(dtype, length) {
    return new Storage("temporary", -1, dtype, elementType(dtype, this.profile), length);
  }
  evaluate(value, position, block, seeds) {
    const seeded = seeds?.get(value);
    if (seeded !== void 0) return seeded;
    const view = this.schedule.views.get(value);
    if (view) {
      const base = seeds && this.schedule.valueOf(view.storage);
      const computed = base && seeds.get(base);
      return computed ?? block.name(block.writer.loadView(view, position, block));
    }
    return this.#compute(value.node, position, block, seeds);
  }
  #compute(node2, position, block, seeds) {
    if (node2.op === "dot") return inlineDot(this, node2, position, block);
    const entry = wgslLowerings[node2.op];
    if (typeof entry === "string" || !("expression" in entry)) throw new Error(`${node2.op} cannot be read in place`);
    const read2 = (i, at2) => this.evaluate(node2.inputs[i], at2, block, seeds);
    const same2 = (i) => read2(i, position.broadcastFrom(node2.inputs[i].aval.shape, block));
    const expression = entry.expression;
    return block.name(expression({ node: node2, writer: block.writer, block, position, read: read2, same: same2 }));
  }
  /** Statements that store the first output's element `x` and what is computed from it in the same place. */
  finish(x, position, block) {
    const value = this.node.outputs[0];
    const view = this.output(0);
    const seeds = /* @__PURE__ */ new Map([[value, x]]);
    const stores = [];
    if (this.needed.has(value)) stores.push(block.writer.store(view.storage, position.flat(block), x));
    this.follow(position, block, seeds, stores);
  }
  /** Computes the cluster's roots at `position`. All is read before anything is stored: outputs may replace inputs. */
  follow(position, block, seeds, stores) {
    for (const { value, storage } of this.cluster.roots) {
      const at2 = position.reshaped(value.aval.shape, block);
      const isCopy = this.schedule.views.get(value).storage !== storage;
      const x = isCopy ? this.evaluate(value, at2, block, seeds) : this.#compute(value.node, at2, block, seeds);
      if (!isCopy) seeds.set(value, x);
      stores.push(block.writer.store(storage, at2.flat(block), x));
    }
    block.push(...stores);
  }
};

// ../tensor/src/backend-webgpu/kernels/elementwise.wgsl.ts
function elementwiseKernel(context) {
  const { roots, size } = context.cluster;
  const writer = new KernelWriter();
  const { body } = writer;
  const workgroupSize3 = 64;
  const shape = roots[0].value.aval.shape;
  const workgroups = Math.ceil(size / workgroupSize3);
  body.push(`let i = wg * ${workgroupSize3}u + lid;`);
  const position = new Position(shape, { flat: "i" });
  if (size % workgroupSize3 === 0) context.follow(position, body, /* @__PURE__ */ new Map(), []);
  else body.nest(`if (i < ${size}u)`, (block) => context.follow(position, block, /* @__PURE__ */ new Map(), []));
  return writer.finish({ label: roots.map((r) => r.value.node?.op ?? "copy").join("/"), workgroups, workgroupSize: workgroupSize3 });
}

// ../tensor/src/backend-webgpu/module.ts
var loaded = {
  f32: "f32",
  f16: "f32",
  halves: "f32",
  brains: "f32",
  i32: "i32",
  u32: "u32",
  bool: "bool"
};
var arrays = {
  f32: { single: "f32", vectors: "vec4f" },
  f16: { single: "f16", vectors: "vec4<f16>" },
  halves: { single: "u32", vectors: "vec2u" },
  brains: { single: "u32", vectors: "vec2u" },
  i32: { single: "i32", vectors: "vec4i" },
  u32: { single: "u32", vectors: "vec4u" },
  bool: { single: "u32", vectors: "vec4u" }
};
function element(type, vectors, name) {
  const scalar = vectors ? `${name}[i >> 2u][i & 3u]` : `${name}[i]`;
  const pair = vectors ? `${name}[i >> 2u][(i >> 1u) & 1u]` : `${name}[i >> 1u]`;
  switch (type) {
    case "f16":
      return `f32(${scalar})`;
    case "bool":
      return `(${scalar} != 0u)`;
    case "halves":
      return `unpack2x16float(${pair})[i & 1u]`;
    case "brains":
      return `bitcast<f32>(select(${pair} << 16u, ${pair} & 0xffff0000u, (i & 1u) == 1u))`;
    default:
      return scalar;
  }
}
function quad(type, vectors, name) {
  if (!vectors) return `vec4f(${[0, 1, 2, 3].map((c) => `$at(4u * i + ${c}u)`).join(", ")})`;
  switch (type) {
    case "f16":
      return `vec4f(${name}[i])`;
    case "halves":
      return `vec4f(unpack2x16float(${name}[i].x), unpack2x16float(${name}[i].y))`;
    case "brains":
      return `bitcast<vec4f>(vec4u(${name}[i].x << 16u, ${name}[i].x & 0xffff0000u, ${name}[i].y << 16u, ${name}[i].y & 0xffff0000u))`;
    default:
      return `${name}[i]`;
  }
}
var stored = (type) => type === "f16" ? "f16(x)" : type === "bool" ? "select(0u, 1u, x)" : "x";
var chunkElements = (type, profile) => {
  const bytes = Math.floor(profile.maxBindingBytes / profile.offsetAlignment) * profile.offsetAlignment;
  const width = type === "f16" || type === "halves" || type === "brains" ? 2 : 4;
  return Math.floor(bytes / width / 4) * 4;
};
function declare(bound, n, first, profile) {
  const { storage, written, loads, quads } = bound;
  const type = storage.element;
  const vectors = bound.vectors && !written && storage.length % 4 === 0;
  const per = chunkElements(type, profile);
  const chunks = Math.max(1, Math.ceil(storage.length / per));
  const access = written || storage.kind === "temporary" ? "read_write" : "read";
  const names = Array.from({ length: chunks }, (_, c) => chunks === 1 ? `b${n}` : `b${n}_${c}`);
  const text = names.map(
    (name, c) => `@group(0) @binding(${first + c}) var<storage, ${access}> ${name}: array<${arrays[type][vectors ? "vectors" : "single"]}>;`
  );
  const bytesPerChunk = chunks === 1 ? storage.bytes : storage.bytes / Math.ceil(storage.length / 4) * (per / 4);
  const bindings = names.map(
    (_, c) => ({
      storage,
      offset: c * bytesPerChunk,
      size: Math.min(bytesPerChunk, storage.bytes - c * bytesPerChunk),
      access
    })
  );
  const choose = (unit, body) => chunks === 1 ? body(names[0]) : `switch (at / ${per / unit}u) { ${names.map((name, c) => `case ${c}u${c === chunks - 1 ? ", default" : ""}: { let i = at % ${per / unit}u; ${body(name)} }`).join(" ")} }`;
  const argument = chunks === 1 ? "i" : "at";
  const result = loaded[type];
  if (loads || quads && !vectors)
    text.push(
      `fn ld${n}(${argument}: u32) -> ${result} { ${choose(1, (name) => `return ${element(type, vectors, name)};`)} }`
    );
  if (quads)
    text.push(
      vectors ? `fn quad${n}(${argument}: u32) -> vec4f { ${choose(4, (name) => `return ${quad(type, true, name)};`)} }` : `fn quad${n}(i: u32) -> vec4f { return ${quad(type, false, "").replaceAll("$at", `ld${n}`)}; }`
    );
  if (written)
    text.push(`fn st${n}(${argument}: u32, x: ${result}) { ${choose(1, (name) => `${name}[i] = ${stored(type)};`)} }`);
  return { text, bindings };
}
function countBindings(drafts, profile) {
  const storages = new Set(drafts.flatMap((d) => d.accesses.map((a) => a.storage)));
  let count2 = drafts.some((d) => d.parameters.length > 0) ? 1 : 0;
  for (const s of storages) count2 += Math.max(1, Math.ceil(s.length / chunkElements(s.element, profile)));
  return count2;
}
function join(drafts, profile) {
  const bounds = [];
  const indexOf = (access) => {
    let at2 = bounds.findIndex((b) => b.storage === access.storage);
    if (at2 < 0)
      at2 = bounds.push({ storage: access.storage, written: false, vectors: false, loads: false, quads: false }) - 1;
    return at2;
  };
  const parameters = [];
  const globals2 = [];
  const bodies = drafts.map((draft, d) => {
    const numbers3 = draft.accesses.map((access) => {
      const at2 = indexOf(access);
      const bound = bounds[at2];
      bound.written ||= access.written;
      bound.vectors ||= access.vectors;
      return at2;
    });
    const firstParameter = parameters.length;
    parameters.push(...draft.parameters);
    const link = (text2) => text2.replaceAll(/\$(ld|quad|st|p)(\d+)\b|\$(\w+)/g, (_match, kind, digits, name) => {
      if (name !== void 0) return drafts.length === 1 ? name : `${name}_${d}`;
      if (kind === "p") return `parameters[${firstParameter + Number(digits)}]`;
      const bound = numbers3[Number(digits)];
      if (kind === "ld") bounds[bound].loads = true;
      if (kind === "quad") bounds[bound].quads = true;
      return `${kind}${bound}`;
    });
    globals2.push(...[...draft.globals.values()].map(link));
    return link(draft.body);
  });
  const declarations = [];
  const bindings = [];
  bounds.forEach((bound, n) => {
    const { text: text2, bindings: own } = declare(bound, n, bindings.length, profile);
    declarations.push(...text2);
    bindings.push(...own);
  });
  if (parameters.length > 0)
    declarations.push(`@group(0) @binding(${bindings.length}) var<storage, read> parameters: array<u32>;`);
  const total = drafts.reduce((n, d) => n + d.workgroups, 0);
  const limit = profile.maxWorkgroupsPerDimension;
  const x = Math.min(total, limit);
  const y = Math.ceil(total / x);
  const indent = (text2, by) => text2.replaceAll(/^/gm, by);
  const calls = drafts.length === 1 ? indent(bodies[0], "  ") : drafts.map((draft, d) => {
    const before = drafts.slice(0, d).reduce((n, other) => n + other.workgroups, 0);
    const condition = d < drafts.length - 1 ? `if (wg < ${before + draft.workgroups}u) ` : "";
    return `${d > 0 ? " else " : "  "}${condition}{ part${d}(wg - ${before}u, lid); }`;
  }).join("");
  const text = [...declarations, ...globals2, ...bodies].join("\n");
  const extensions = [...new Set(drafts.flatMap((d) => d.extensions))];
  const f16 = /\bf16\b/.test(text);
  const code = [
    ...f16 ? ["enable f16;"] : [],
    ...extensions.map((e) => `enable ${e};`),
    ...extensions.includes("chromium_experimental_subgroup_matrix") ? ["diagnostic(off, chromium.subgroup_matrix_uniformity);"] : [],
    ...text.includes("runtimeBits") ? ["var<private> noBits: u32 = 0u;", "fn runtimeBits(bits: u32) -> u32 { return bits ^ noBits; }"] : [],
    ...declarations,
    ...globals2,
    ...drafts.length === 1 ? [] : bodies.map((body, d) => `fn part${d}(wg: u32, lid: u32) {
${indent(body, "  ")}
}`),
    `@compute @workgroup_size(${drafts[0].workgroupSize})`,
    "fn main(@builtin(workgroup_id) id: vec3u, @builtin(local_invocation_index) lid: u32) {",
    y === 1 ? "  let wg = id.x;" : `  let wg = id.x + id.y * ${x}u;
  if (wg >= ${total}u) { return; }`,
    calls,
    "}"
  ].join("\n");
  return { label: drafts.map((d) => d.label).join(" + "), code, bindings, parameters, workgroups: [x, y] };
}

// ../tensor/src/backend-webgpu/schedule.ts
var otherBindings = 4;
var cheapWork = 16;
var maxWork = 80;
var smallInner = 32;
var maxAdvance = 48;
var movedReads = /* @__PURE__ */ new Set(["transpose", "rope", "gather", "concat", "pad", "slice", "dynamicSlice", "dot"]);
var isRun = (op) => {
  const entry = wgslLowerings[op];
  return typeof entry === "object" && "kernel" in entry;
};
var Schedule = class {
  constructor(graph, profile) {
    this.graph = graph;
    this.profile = profile;
    const place = (kind) => (value, index) => {
      const { dtype, shape } = value.aval;
      const storage = new Storage(kind, index, dtype, elementType(dtype, profile), sizeOf(shape));
      this.#bind(value, storage);
      return storage;
    };
    this.inputs = graph.inputs.map(place("input"));
    this.constants = graph.constants.map(({ value }, i) => place("constant")(value, i));
    this.#returned = new Set(graph.outputs);
    for (const node2 of graph.nodes)
      node2.inputs.forEach((value, operand) => {
        const list = this.#consumers.get(value);
        if (list) list.push({ node: node2, operand });
        else this.#consumers.set(value, [{ node: node2, operand }]);
      });
    graph.nodes.forEach((node2, position) => this.#visit(node2, position));
    this.#placeOutputs();
  }
  graph;
  profile;
  clusters = [];
  inputs;
  constants;
  outputs = [];
  /** Windows on storages, for values that need no computing to be read. */
  views = /* @__PURE__ */ new Map();
  /** Stored values by storage, and the cluster that computes each. */
  #valueOf = /* @__PURE__ */ new Map();
  #clusterOf = /* @__PURE__ */ new Map();
  #recipes = /* @__PURE__ */ new Map();
  #consumers = /* @__PURE__ */ new Map();
  #returned;
  /** Values whose storage someone reads, or the program returns: an anchor whose followers took over is not stored. */
  neededValues() {
    const needed = /* @__PURE__ */ new Set();
    for (const cluster of this.clusters)
      for (const value of cluster.reads) if (this.#clusterOf.get(value) !== cluster) needed.add(value);
    for (const [value, view] of this.views) if (view.storage.kind === "output" && isWhole(view)) needed.add(value);
    return needed;
  }
  /** The value whose elements a storage holds. */
  valueOf(storage) {
    return this.#valueOf.get(storage);
  }
  #bind(value, storage, strides) {
    this.#valueOf.set(storage, value);
    this.views.set(value, wholeView(storage, value.aval.shape, strides));
  }
  #newStorage(value) {
    const { dtype, shape } = value.aval;
    return new Storage("temporary", -1, dtype, elementType(dtype, this.profile), sizeOf(shape));
  }
  #visit(node2, position) {
    if (isRun(node2.op) && !this.#isInlineDot(node2)) {
      this.#run(node2, position);
      return;
    }
    const value = node2.outputs[0];
    const view = this.#viewOf(node2);
    if (view) {
      this.views.set(value, view);
      return;
    }
    const recipe = this.#recipe(node2);
    this.#recipes.set(value, recipe);
    if (this.#mustStore(value, recipe)) this.#store(value, recipe, position);
  }
  /** A movement or float cast of a view is a view. */
  #viewOf(node2) {
    const view = node2.inputs[0] && this.views.get(node2.inputs[0]);
    if (!view) return void 0;
    if (isOp(node2, "stopGradient") || isOp(node2, "barrier")) return view;
    if (isOp(node2, "cast")) return isFloat(node2.params.dtype) && isFloat(node2.inputs[0].aval.dtype) ? view : void 0;
    if (isOp(node2, "reshape")) return reshapeView(view, node2.params.shape);
    if (isOp(node2, "transpose")) return transposeView(view, node2.params.permutation);
    if (isOp(node2, "broadcastTo")) return broadcastView(view, node2.params.shape);
    if (isOp(node2, "slice")) return sliceView(view, node2.params.starts, node2.params.limits);
    return void 0;
  }
  #recipe(node2) {
    const entry = wgslLowerings[node2.op];
    const leaves = /* @__PURE__ */ new Map();
    const nodes = /* @__PURE__ */ new Set([node2]);
    const size = sizeOf(node2.outputs[0].aval.shape);
    let work = typeof entry === "object" && "work" in entry ? entry.work : smallInner;
    node2.inputs.forEach((value, i) => {
      const moved = movedReads.has(node2.op) || sizeOf(value.aval.shape) !== size || node2.op === "dynamicUpdateSlice" && i > 0;
      const note = (leaf, how) => leaves.set(leaf, moved || how === "elsewhere" || leaves.get(leaf) === "elsewhere" ? "elsewhere" : "same");
      const view = this.views.get(value);
      if (view) note(this.#valueOf.get(view.storage), isWhole(view) ? "same" : "elsewhere");
      else {
        const inner = this.#recipes.get(value);
        inner.leaves.forEach((how, leaf) => note(leaf, how));
        inner.nodes.forEach((n) => nodes.add(n));
        work += inner.work;
      }
    });
    return { leaves, nodes, work };
  }
  /** Whether evaluating it again costs less than keeping it: one large read and little arithmetic. */
  #isCheap(value, { leaves, work }) {
    const size = sizeOf(value.aval.shape);
    const large = [...leaves.keys()].filter((leaf) => sizeOf(leaf.aval.shape) * 2 >= size && size > 1);
    return work <= cheapWork && large.length <= 1;
  }
  #mustStore(value, recipe) {
    if (this.#returned.has(value)) return true;
    const consumers = this.#consumers.get(value) ?? [];
    const cheap = this.#isCheap(value, recipe);
    if (consumers.length > 1 && !cheap) return true;
    if (recipe.leaves.size > this.profile.maxStorageBuffers - otherBindings || recipe.work > maxWork) return true;
    return consumers.some(({ node: node2, operand }) => {
      if (!isRun(node2.op)) return false;
      const need = wgslLowerings[node2.op].operand(node2, operand);
      return need === "view" || need === "cheap" && !cheap;
    });
  }
  /** A product with a short inner dimension whose only reader is elementwise: evaluated there, element by element. */
  #isInlineDot(node2) {
    if (!isOp(node2, "dot") || this.#returned.has(node2.outputs[0])) return false;
    const inner = node2.inputs[0].aval.shape.at(node2.params.transposeA ? -2 : -1);
    const [only, ...others] = this.#consumers.get(node2.outputs[0]) ?? [];
    if (inner > smallInner || !only || others.length > 0 || isRun(only.node.op)) return false;
    return !movedReads.has(only.node.op) && node2.inputs.every((v) => this.views.has(v));
  }
  #available(value) {
    return this.#clusterOf.get(value)?.position ?? -1;
  }
  #run(node2, position) {
    const entry = wgslLowerings[node2.op];
    const reads2 = /* @__PURE__ */ new Set();
    for (const value of node2.inputs) {
      const view = this.views.get(value);
      if (view) reads2.add(this.#valueOf.get(view.storage));
      else this.#recipes.get(value).leaves.forEach((_, leaf) => reads2.add(leaf));
    }
    const size = sizeOf(node2.outputs[0].aval.shape);
    const cluster = { node: node2, roots: [], size, position, reads: reads2 };
    this.clusters.push(cluster);
    node2.outputs.forEach((value, i) => {
      this.#bind(value, this.#newStorage(value), entry.layout?.(node2, i));
      this.#clusterOf.set(value, cluster);
    });
  }
  #store(value, recipe, position) {
    const storage = this.#newStorage(value);
    const cluster = this.#join(value, recipe, position) ?? this.#newCluster(value, position);
    cluster.roots.push({ value, storage });
    for (const leaf of recipe.leaves.keys()) cluster.reads.add(leaf);
    this.#bind(value, storage);
    this.#clusterOf.set(value, cluster);
  }
  #newCluster(value, position) {
    const cluster = { node: void 0, roots: [], size: sizeOf(value.aval.shape), position, reads: /* @__PURE__ */ new Set() };
    this.clusters.push(cluster);
    return cluster;
  }
  /** A cluster in whose index space `value` can be computed along: one that makes something it reads at the same index, or reads the same. */
  #join(value, recipe, position) {
    const size = sizeOf(value.aval.shape);
    const candidates = /* @__PURE__ */ new Set();
    for (const [leaf, how] of recipe.leaves) {
      const cluster = this.#clusterOf.get(leaf);
      if (cluster && how === "same" && this.#takes(cluster, leaf, size)) candidates.add(cluster);
    }
    const latestFirst = [...candidates].sort((a, b) => b.position - a.position);
    const inPlace = latestFirst.find(
      (cluster) => position - cluster.position <= maxAdvance && this.#fits(cluster, recipe) && this.#isReady(cluster, recipe)
    );
    if (inPlace) return inPlace;
    for (const cluster of latestFirst) {
      if (!this.#fits(cluster, recipe) || !this.#servesOnly(cluster, recipe)) continue;
      cluster.position = position;
      return cluster;
    }
    for (let i = this.clusters.length - 1; i >= Math.max(0, this.clusters.length - 6); i--) {
      const cluster = this.clusters[i];
      if (cluster.node || cluster.size !== size || position - cluster.position > maxAdvance) continue;
      const shares = [...recipe.leaves].some(([leaf, how]) => how === "same" && cluster.reads.has(leaf));
      if (shares && this.#fits(cluster, recipe) && this.#isReady(cluster, recipe)) return cluster;
    }
    return void 0;
  }
  #takes(cluster, leaf, size) {
    if (cluster.size !== size) return false;
    if (!cluster.node) return true;
    return wgslLowerings[cluster.node.op].epilogue && (cluster.node.outputs[0] === leaf || leaf.node !== cluster.node);
  }
  #fits(cluster, recipe) {
    const reads2 = /* @__PURE__ */ new Set([...cluster.reads, ...recipe.leaves.keys()]);
    return reads2.size + cluster.roots.length + 3 <= this.profile.maxStorageBuffers;
  }
  /** Whether everything else the recipe reads exists when the cluster runs. */
  #isReady(cluster, { leaves }) {
    return [...leaves].every(
      ([leaf, how]) => this.#clusterOf.get(leaf) === cluster ? how === "same" : this.#available(leaf) < cluster.position
    );
  }
  /** Whether nobody but this recipe reads what the cluster makes, so that it may run later. */
  #servesOnly(cluster, recipe) {
    if (!cluster.node || cluster.roots.length > 0 || cluster.node.outputs.length > 1) return false;
    const [value] = cluster.node.outputs;
    if (this.#returned.has(value) || recipe.leaves.get(value) !== "same") return false;
    const [last] = recipe.nodes;
    const within = (v) => (this.#consumers.get(v) ?? []).every(({ node: node2 }) => {
      if (node2 === last) return true;
      const passes = recipe.nodes.has(node2) || this.views.has(node2.outputs[0]) && !isRun(node2.op);
      return passes && !this.#returned.has(node2.outputs[0]) && within(node2.outputs[0]);
    });
    return within(value);
  }
  /** Each output gets a storage of its own: that of the value where it can be had, else a copy. */
  #placeOutputs() {
    const claimed = /* @__PURE__ */ new Set();
    this.graph.outputs.forEach((value, index) => {
      const view = this.views.get(value);
      const { storage } = view;
      if (storage.kind === "temporary" && isWhole(view) && storage.dtype === value.aval.dtype && !claimed.has(storage)) {
        claimed.add(storage);
        storage.kind = "output";
        storage.index = index;
        this.outputs.push(storage);
        return;
      }
      const { dtype, shape } = value.aval;
      const copy = new Storage("output", index, dtype, elementType(dtype, this.profile), sizeOf(shape));
      this.clusters.push({
        node: void 0,
        roots: [{ value, storage: copy }],
        size: sizeOf(shape),
        position: this.graph.nodes.length,
        reads: /* @__PURE__ */ new Set([this.#valueOf.get(storage)])
      });
      this.outputs.push(copy);
    });
  }
  /** Inputs that a stored value reads at the element it writes. */
  readInPlace(value) {
    const leaves = this.#recipes.get(value)?.leaves ?? [];
    return [...leaves].flatMap(([leaf, how]) => how === "same" ? [this.views.get(leaf).storage] : []);
  }
  /** Whether every value of the cluster that reads `storage` does so at the element it writes. */
  readsOnlyInPlace(cluster, storage) {
    if (cluster.node?.inputs.some((value) => this.#reaches(value, storage))) return false;
    return cluster.roots.every(
      ({ value }) => this.#recipes.get(value)?.leaves.get(this.valueOf(storage)) !== "elsewhere"
    );
  }
  #reaches(value, storage) {
    const view = this.views.get(value);
    return view ? view.storage === storage : this.#recipes.get(value)?.leaves.has(this.valueOf(storage)) ?? false;
  }
  /** Clusters in the order in which they can run. */
  ordered() {
    return this.clusters.map((cluster, made) => ({ cluster, made })).sort((a, b) => a.cluster.position - b.cluster.position || a.made - b.made).map(({ cluster }) => cluster);
  }
};

// ../tensor/src/backend-webgpu/lower.ts
function draftsOf(schedule) {
  const needed = schedule.neededValues();
  return schedule.ordered().flatMap((cluster) => {
    if (cluster.size === 0) return [];
    const context = new KernelContext(schedule, cluster, needed);
    if (!cluster.node) return [elementwiseKernel(context)];
    return wgslLowerings[cluster.node.op].kernel(context);
  });
}
var reads = (draft, storage) => draft.accesses.some((a) => a.storage === storage && a.read);
var writes = (draft, storage) => draft.accesses.some((a) => a.storage === storage && a.written);
function replaceInputs(schedule, drafts, donated) {
  const replaced2 = /* @__PURE__ */ new Map();
  const taken = /* @__PURE__ */ new Set();
  for (const cluster of schedule.ordered()) {
    for (const { value, storage } of cluster.roots) {
      if (storage.kind !== "output" || replaced2.has(storage)) continue;
      const at2 = drafts.findIndex((draft) => writes(draft, storage));
      const candidate = schedule.readInPlace(value).find(
        (input2) => input2.kind === "input" && donated.has(input2.index) && !taken.has(input2) && input2.element === storage.element && input2.length === storage.length && drafts.every((draft, i) => i <= at2 || !reads(draft, input2)) && schedule.readsOnlyInPlace(cluster, input2)
      );
      if (!candidate) continue;
      taken.add(candidate);
      replaced2.set(storage, candidate);
    }
  }
  return replaced2;
}
var withReplaced = (drafts, replaced2) => replaced2.size === 0 ? [...drafts] : drafts.map((draft) => ({
  ...draft,
  accesses: draft.accesses.map((access) => ({
    ...access,
    storage: replaced2.get(access.storage) ?? access.storage
  }))
}));
var joinWindow = 24;
var conflict = (a, b) => a.accesses.some((x) => b.accesses.some((y) => x.storage === y.storage && (x.written || y.written)));
function groupDrafts(drafts, profile) {
  const groups = [];
  for (const draft of drafts) {
    let home;
    if (draft.joinable) {
      for (let i = groups.length - 1; i >= Math.max(0, groups.length - joinWindow); i--) {
        const group = groups[i];
        if (group.some((other) => conflict(other, draft))) break;
        const fits = group[0].joinable && group[0].workgroupSize === draft.workgroupSize && countBindings([...group, draft], profile) <= profile.maxStorageBuffers && group.reduce((n, d) => n + d.workgroupBytes, draft.workgroupBytes) <= profile.maxWorkgroupBytes;
        if (fits) home = group;
      }
    }
    if (home) home.push(draft);
    else groups.push([draft]);
  }
  return groups;
}
function lowerGraph(source, profile, donated = []) {
  const graph = simplify(decompose(source, (node2) => wgslLowerings[node2.op] !== "decompose"));
  const schedule = new Schedule(graph, profile);
  const plain = draftsOf(schedule);
  const replaced2 = replaceInputs(schedule, plain, new Set(donated));
  const groups = groupDrafts(withReplaced(plain, replaced2), profile);
  const dispatches = groups.map((group) => join(group, profile));
  const lifetimes = /* @__PURE__ */ new Map();
  groups.forEach((group, step) => {
    for (const { storage } of group.flatMap((d) => d.accesses)) {
      if (storage.kind !== "temporary") continue;
      const known = lifetimes.get(storage);
      if (known) known.last = step;
      else lifetimes.set(storage, { bytes: storage.bytes, first: step, last: step });
    }
  });
  const memory = planMemory([...lifetimes.values()], {
    alignment: Math.max(256, profile.offsetAlignment),
    maxPageBytes: profile.maxBufferBytes
  });
  const places = new Map([...lifetimes.keys()].map((storage, i) => [storage, memory.places[i]]));
  const outputs = schedule.outputs.toSorted((a, b) => a.index - b.index);
  return {
    dispatches,
    inputs: schedule.inputs,
    constants: schedule.constants,
    outputs,
    replaces: outputs.map((storage) => replaced2.get(storage)?.index),
    places,
    memory
  };
}

// ../tensor/src/backend-webgpu/program.ts
var alignment = 256;
var keptBindGroups = 16;
var Program = class {
  constructor(host, lowered) {
    this.host = host;
    this.lowered = lowered;
    this.#groups = lowered.dispatches.map(() => /* @__PURE__ */ new Map());
    for (const { parameters } of lowered.dispatches) {
      this.#parameterOffsets.push(this.#parameterWords.length * 4);
      if (parameters.length === 0) continue;
      this.#parameterWords.push(...parameters);
      while (this.#parameterWords.length * 4 % alignment !== 0) this.#parameterWords.push(0);
    }
  }
  host;
  lowered;
  #pipelines = [];
  #groups;
  /** Where each dispatch's parameters begin in the program's own buffer. */
  #parameterOffsets = [];
  #parameterWords = [];
  #parameters;
  /** Bytes of what stays on the device for this program alone. */
  get parameterBytes() {
    return this.#parameterWords.length * 4;
  }
  async prepare() {
    this.#pipelines = await Promise.all(this.lowered.dispatches.map((dispatch) => this.host.pipeline(dispatch)));
    if (this.#parameterWords.length === 0) return;
    const { gpu } = this.host;
    this.#parameters = gpu.createBuffer({
      size: this.#parameterWords.length * 4,
      usage: GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST,
      label: "parameters"
    });
    gpu.queue.writeBuffer(this.#parameters, 0, Uint32Array.from(this.#parameterWords));
  }
  /** Encodes every dispatch; `of` tells where inputs, constants and outputs are. */
  encode(pass, of) {
    this.lowered.dispatches.forEach((dispatch, i) => {
      pass.setPipeline(this.#pipelines[i]);
      pass.setBindGroup(0, this.#bindGroup(dispatch, i, of));
      pass.dispatchWorkgroups(...dispatch.workgroups);
    });
  }
  #bindGroup(dispatch, i, of) {
    const { places, memory } = this.lowered;
    const resources = dispatch.bindings.map(({ storage, offset, size }) => {
      const place = places.get(storage);
      const allocation = place ? this.host.page(place.page, memory.pageBytes[place.page]) : of(storage);
      return { allocation, offset: offset + (place?.offset ?? 0), size };
    });
    const key = resources.map((r) => r.allocation.number).join();
    const groups = this.#groups[i];
    const known = groups.get(key);
    if (known) return known;
    if (groups.size >= keptBindGroups) groups.delete(groups.keys().next().value);
    const entries = resources.map(({ allocation, offset, size }, binding) => ({
      binding,
      resource: { buffer: allocation.buffer, offset, size }
    }));
    if (dispatch.parameters.length > 0)
      entries.push({
        binding: entries.length,
        resource: {
          buffer: this.#parameters,
          offset: this.#parameterOffsets[i],
          size: dispatch.parameters.length * 4
        }
      });
    const group = this.host.gpu.createBindGroup({ layout: this.#pipelines[i].getBindGroupLayout(0), entries });
    groups.set(key, group);
    return group;
  }
  release() {
    this.#parameters?.destroy();
    for (const groups of this.#groups) groups.clear();
  }
};

// ../tensor/src/backend-webgpu/work-queue.ts
var WorkQueue = class {
  constructor(onError) {
    this.onError = onError;
  }
  onError;
  #waiting = [];
  #busy = false;
  #idle = [];
  /** Whether work handed in now would have to wait. */
  get busy() {
    return this.#busy;
  }
  add(work) {
    this.#waiting.push(work);
    if (!this.#busy) this.#drain();
  }
  /** Resolves when nothing waits. */
  idle() {
    return this.#busy ? new Promise((resolve) => this.#idle.push(resolve)) : Promise.resolve();
  }
  #drain() {
    for (let work = this.#waiting.shift(); work; work = this.#waiting.shift()) {
      try {
        const pending = work();
        if (!pending) continue;
        this.#busy = true;
        pending.catch(this.onError).finally(() => {
          this.#busy = false;
          this.#drain();
        });
        return;
      } catch (error) {
        this.onError(error);
      }
    }
    for (const resolve of this.#idle.splice(0)) resolve();
  }
};

// ../tensor/src/backend-webgpu/device.ts
var GpuBuffer = class {
  constructor(device2, aval, file) {
    this.device = device2;
    this.aval = aval;
    this.file = file;
  }
  device;
  aval;
  file;
  allocation;
  released = false;
  /** Why it holds nothing: the program that was to fill it could not be compiled. */
  failure;
};
var uploadWindowBytes = 2 ** 28;
var WebGpuDevice = class {
  constructor(gpu, adapter, platform, { memoryBytes }) {
    this.gpu = gpu;
    this.adapter = adapter;
    this.platform = platform;
    this.name = adapter.name;
    this.#queue = new WorkQueue((error) => this.#fail(error instanceof Error ? error : new Error(String(error))));
    this.#allocator = new Allocator(gpu, {
      maxBufferBytes: adapter.profile.maxBufferBytes,
      budgetBytes: memoryBytes,
      name: adapter.name,
      onCreate: () => this.counters.buffers++
    });
    void gpu.lost.then(
      ({ reason, message }) => this.#fail(
        new Error(
          reason === "destroyed" ? `${this.name} is closed` : `the GPU ${this.name} was lost: ${message || "no reason given"}`
        )
      )
    );
    gpu.addEventListener("uncapturederror", (event) => {
      const { error } = event;
      const what = error.constructor.name === "GPUOutOfMemoryError" ? "is out of memory" : "refused a command";
      this.#fail(new Error(`the GPU ${this.name} ${what}: ${error.message}`));
    });
  }
  gpu;
  adapter;
  platform;
  kind = "webgpu";
  name;
  #queue;
  #allocator;
  #pipelines = /* @__PURE__ */ new Map();
  #pages = [];
  counters = {
    runs: 0,
    dispatches: 0,
    buffers: 0,
    pipelines: 0,
    arenaBytes: 0,
    unsharedBytes: 0
  };
  #usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST;
  #failure;
  #uploaded = 0;
  #fail(error) {
    this.#failure ??= error;
  }
  #check() {
    if (this.#failure) throw this.#failure;
  }
  #own(buffer) {
    if (buffer instanceof GpuBuffer && buffer.device === this) return buffer;
    throw new Error(`a buffer of ${buffer.device.name} was given to ${this.name}`);
  }
  #wait(promise) {
    const { waitForCpu } = this.platform;
    return this.adapter.software && waitForCpu ? waitForCpu(promise) : promise;
  }
  #take(aval, what) {
    const bytes = storedBytes(elementType(aval.dtype, this.adapter.profile), sizeOf(aval.shape));
    return this.#allocator.take(bytes, this.#usage, what);
  }
  upload(data, aval) {
    this.#check();
    const buffer = new GpuBuffer(this, aval);
    const bytes = deviceBytes(data, aval, this.#queue.busy);
    this.#queue.add(() => {
      if (this.#failure) return;
      buffer.allocation = this.#take(aval, "an uploaded tensor");
      if (bytes.byteLength > 0) this.gpu.queue.writeBuffer(buffer.allocation.buffer, 0, bytes);
    });
    return buffer;
  }
  fromFile(range, aval) {
    if (!this.platform.readRange) throw new Error("there are no files here; upload the tensor");
    return new GpuBuffer(this, aval, range);
  }
  /** Brings a tensor that is still in its file onto the device. */
  #load(buffer) {
    if (!buffer.file || buffer.allocation) return;
    const { file, aval } = buffer;
    this.#queue.add(async () => {
      if (buffer.allocation || this.#failure) return;
      const allocation = buffer.allocation = this.#take(aval, `tensor at byte ${file.offset} of ${file.path}`);
      await this.platform.readRange(file, (bytes, offset) => {
        if (aval.dtype === "bool") {
          this.gpu.queue.writeBuffer(allocation.buffer, offset * 4, deviceBytes(bytes, aval, true));
          return;
        }
        const whole = bytes.byteLength - bytes.byteLength % 4;
        if (whole > 0) this.gpu.queue.writeBuffer(allocation.buffer, offset, bytes, 0, whole);
        if (whole < bytes.byteLength) {
          const rest = new Uint8Array(4);
          rest.set(bytes.subarray(whole));
          this.gpu.queue.writeBuffer(allocation.buffer, offset + whole, rest);
        }
      });
      this.#uploaded += file.length;
      if (this.#uploaded < uploadWindowBytes) return;
      this.#uploaded = 0;
      await this.#wait(this.gpu.queue.onSubmittedWorkDone());
    });
  }
  #pipeline({ code, bindings, parameters, label }) {
    const known = this.#pipelines.get(code);
    if (known) return known;
    const types = [...bindings.map((b) => b.access), ...parameters.length > 0 ? ["read"] : []];
    const layout = this.gpu.createBindGroupLayout({
      entries: types.map((access, binding) => ({
        binding,
        visibility: GPUShaderStage.COMPUTE,
        buffer: { type: access === "read" ? "read-only-storage" : "storage" }
      }))
    });
    const compile = async () => {
      const module = this.gpu.createShaderModule({ code, label });
      const { messages } = await module.getCompilationInfo();
      const wrong = messages.find((m) => m.type === "error");
      if (wrong)
        throw new Error(`kernel ${label} is not valid on ${this.name}, line ${wrong.lineNum}: ${wrong.message}`);
      return this.gpu.createComputePipelineAsync({
        label,
        layout: this.gpu.createPipelineLayout({ bindGroupLayouts: [layout] }),
        compute: { module, entryPoint: "main" }
      });
    };
    const pipeline = compile().catch((error) => {
      throw new Error(`kernel ${label} cannot be compiled for ${this.name}: ${error.message}`);
    });
    this.#pipelines.set(code, pipeline);
    this.counters.pipelines++;
    return pipeline;
  }
  #page(index, bytes) {
    const page = this.#pages[index];
    if (page && page.bytes >= bytes) return page;
    if (page) this.#allocator.destroy(page);
    return this.#pages[index] = this.#allocator.take(bytes, this.#usage, "the arena for intermediate values");
  }
  compile(graph, { donated = [] } = {}) {
    this.#check();
    const lowered = lowerGraph(graph, this.adapter.profile, donated);
    const arenaBytes = lowered.memory.pageBytes.reduce((n, bytes) => n + bytes, 0);
    if (arenaBytes > this.counters.arenaBytes) {
      this.counters.arenaBytes = arenaBytes;
      this.counters.unsharedBytes = lowered.memory.unsharedBytes;
    }
    const constants = graph.constants.map((c) => this.#own(c.tensor.buffer));
    for (const constant of constants) this.#load(constant);
    const program = new Program(
      {
        gpu: this.gpu,
        pipeline: (dispatch) => this.#pipeline(dispatch),
        page: (index, bytes) => this.#page(index, bytes)
      },
      lowered
    );
    let broken;
    const ready = new Promise((resolve, reject) => {
      this.#queue.add(async () => {
        if (this.#failure) return reject(this.#failure);
        await this.#wait(program.prepare()).then(resolve, (error) => reject(broken = error));
      });
    });
    ready.catch(() => {
    });
    return {
      ready,
      run: (given) => {
        this.#check();
        const inputs = given.map((buffer) => this.#own(buffer));
        inputs.forEach((buffer) => this.#load(buffer));
        const outputs = graph.outputs.map((value) => new GpuBuffer(this, value.aval));
        const consumed = lowered.replaces.map((input2) => input2 !== void 0 && consume(inputs, input2));
        this.#queue.add(() => {
          const failure = broken ?? [...inputs, ...constants].find((buffer) => buffer.failure)?.failure;
          if (this.#failure || failure) {
            for (const output of outputs) output.failure = failure;
            return;
          }
          outputs.forEach((output, i) => {
            const input2 = lowered.replaces[i];
            output.allocation = input2 === void 0 ? this.#take(output.aval, "an output") : consumed[i] ? inputs[input2].allocation : this.#copy(inputs[input2]);
            if (input2 !== void 0 && consumed[i]) inputs[input2].allocation = void 0;
          });
          const encoder = this.gpu.createCommandEncoder();
          const pass = encoder.beginComputePass();
          program.encode(pass, (storage) => this.#place(storage, lowered.replaces, { inputs, constants, outputs }));
          pass.end();
          this.gpu.queue.submit([encoder.finish()]);
          this.counters.runs++;
          this.counters.dispatches += lowered.dispatches.length;
        });
        return outputs;
      },
      release: () => this.#queue.add(() => program.release())
    };
  }
  #place(storage, replaces, { inputs, constants, outputs }) {
    if (storage.kind === "constant") return constants[storage.index].allocation;
    if (storage.kind === "output") return outputs[storage.index].allocation;
    const replacement = replaces.indexOf(storage.index);
    return replacement >= 0 ? outputs[replacement].allocation : inputs[storage.index].allocation;
  }
  /** A copy of a tensor that was donated although it is still needed elsewhere. */
  #copy(buffer) {
    const copy = this.#take(buffer.aval, "an output");
    const encoder = this.gpu.createCommandEncoder();
    encoder.copyBufferToBuffer(buffer.allocation.buffer, 0, copy.buffer, 0, copy.bytes);
    this.gpu.queue.submit([encoder.finish()]);
    return copy;
  }
  read(buffer) {
    const own = this.#own(buffer);
    const { dtype, shape } = own.aval;
    const length = sizeOf(shape);
    const bytes = storedBytes(elementType(dtype, this.adapter.profile), length);
    this.#load(own);
    return new Promise((resolve, reject) => {
      this.#queue.add(() => {
        if (this.#failure) return reject(this.#failure);
        if (own.failure) return reject(own.failure);
        if (!own.allocation) return reject(new Error("the tensor was released before it was read"));
        if (length === 0) return resolve(hostArray(dtype, 0));
        const usage = GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST;
        const staging = this.#allocator.take(bytes, usage, "a read");
        const encoder = this.gpu.createCommandEncoder();
        encoder.copyBufferToBuffer(own.allocation.buffer, 0, staging.buffer, 0, Math.ceil(bytes / 4) * 4);
        this.gpu.queue.submit([encoder.finish()]);
        this.#wait(staging.buffer.mapAsync(GPUMapMode.READ, 0, Math.ceil(bytes / 4) * 4)).then(
          () => {
            const mapped = new Uint8Array(staging.buffer.getMappedRange(0, Math.ceil(bytes / 4) * 4)).slice();
            staging.buffer.unmap();
            this.#allocator.release(staging);
            if (this.#failure) reject(this.#failure);
            else resolve(hostElements(mapped, own.aval));
          },
          (error) => reject(this.#failure ?? error)
        );
      });
    });
  }
  #free(buffer) {
    if (buffer.allocation) this.#allocator.release(buffer.allocation);
    buffer.allocation = void 0;
  }
  release(buffer) {
    const own = this.#own(buffer);
    if (own.released) return;
    own.released = true;
    this.#queue.add(() => this.#free(own));
  }
  memory() {
    return Promise.resolve({ bytes: this.#allocator.bytes, peakBytes: this.#allocator.peakBytes });
  }
  async synchronize() {
    await this.#queue.idle();
    this.#check();
    await this.#wait(this.gpu.queue.onSubmittedWorkDone());
    this.#check();
  }
  async close() {
    await this.#queue.idle();
    this.gpu.destroy();
  }
};
function consume(inputs, index) {
  const buffer = inputs[index];
  return inputs.filter((other) => other === buffer).length === 1;
}
function deviceBytes(data, aval, copy) {
  if (aval.dtype === "bool") return new Uint8Array(Uint32Array.from(data).buffer);
  const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  if (bytes.byteLength % 4 === 0) return copy ? bytes.slice() : bytes;
  const padded = new Uint8Array(Math.ceil(bytes.byteLength / 4) * 4);
  padded.set(bytes);
  return padded;
}
function hostElements(bytes, { dtype, shape }) {
  const length = sizeOf(shape);
  if (dtype === "bool") return Uint8Array.from(new Uint32Array(bytes.buffer, bytes.byteOffset, length));
  return viewAs(dtype, bytes).subarray(0, length);
}
async function openOnAdapter(adapter, platform, options) {
  const missing2 = missingFrom(describeAdapter(adapter));
  if (missing2) throw new Error(`WebGPU: ${missing2}`);
  const opened = await openAdapter(adapter);
  return new WebGpuDevice(opened.device, opened.adapter, platform, options);
}

// ../tensor/src/backend-webgpu/index.ts
var instances = [];
function dawn(options) {
  Object.assign(globalThis, globals);
  const gpu = create(["enable-dawn-features=allow_unsafe_apis", ...options]);
  instances.push(gpu);
  return gpu;
}
var pieceBytes = 2 ** 24;
var node = {
  async readRange(range, piece) {
    const file = openSync(range.path, "r");
    try {
      const bytes = new Uint8Array(Math.min(pieceBytes, range.length));
      for (let done = 0; done < range.length; ) {
        const wanted = Math.min(pieceBytes, range.length - done);
        let read2 = 0;
        while (read2 < wanted) {
          const count2 = readSync(file, bytes, read2, wanted - read2, range.offset + done + read2);
          if (count2 === 0) throw new Error(`${range.path} ends before byte ${range.offset + range.length}`);
          read2 += count2;
        }
        piece(bytes.subarray(0, read2), done);
        done += read2;
        await setImmediate();
      }
    } finally {
      closeSync(file);
    }
  },
  // Dawn's pending promises spin; sleeping a millisecond leaves the cores to the software adapter.
  async waitForCpu(promise) {
    let settled = false;
    const done = promise.finally(() => settled = true);
    done.catch(() => {
    });
    const cell = new Int32Array(new SharedArrayBuffer(4));
    await setImmediate();
    while (!settled) {
      Atomics.wait(cell, 0, 0, 1);
      await setImmediate();
    }
    return done;
  }
};
async function requestAdapter(name) {
  const gpu = dawn(name === void 0 ? [] : [`adapter=${name}`]);
  const adapter = await gpu.requestAdapter({ powerPreference: "high-performance" });
  if (adapter) return adapter;
  throw new Error(
    name === void 0 ? "WebGPU: no adapter was found; a GPU with a Vulkan, Metal or Direct3D 12 driver is needed" : `WebGPU: no adapter is called \u201C${name}\u201D`
  );
}
async function openWebGpuDevice(options = {}) {
  return openOnAdapter(await requestAdapter(options.adapter), node, options);
}

// src/lora-config.ts
var ConfigError = class extends Error {
  name = "ConfigError";
};
function checkLoraConfig({ r, alpha, dropout: dropout2 }) {
  if (!Number.isInteger(r) || r < 1) throw new ConfigError(`r is ${r}, expected an integer \u2265 1`);
  if (!(alpha > 0)) throw new ConfigError(`alpha is ${alpha}, expected a number > 0`);
  if (!(dropout2 >= 0 && dropout2 < 1)) throw new ConfigError(`dropout is ${dropout2}, expected a number in [0, 1)`);
}
var loraScaling = ({ r, alpha, useRslora }) => alpha / (useRslora ? Math.sqrt(r) : r);
var isLinear = (name) => name.includes("_proj");
function adaptedModules(model, { targetModules }) {
  const linears = [...weightShapes(model)].filter(([name]) => isLinear(name)).map(([name, shape]) => ({ name: name.replace(/\.weight$/, ""), outFeatures: shape[0], inFeatures: shape[1] }));
  if (targetModules === "all-linear") return linears;
  const matches = (name, target) => name === target || name.endsWith(`.${target}`);
  for (const target of targetModules) {
    if (linears.some(({ name }) => matches(name, target))) continue;
    const known = [...new Set(linears.map(({ name }) => name.split(".").at(-1)))];
    throw new ConfigError(
      `target module ${JSON.stringify(target)} is not in the model; it has ${known.join(", ")}, or all-linear for all of them`
    );
  }
  if (targetModules.length === 0) throw new ConfigError("targetModules is empty, expected module names or all-linear");
  return linears.filter(({ name }) => targetModules.some((target) => matches(name, target)));
}

// src/adapter.ts
function normals(seed, count2, deviation) {
  const random = new Random(seed);
  const uniform = () => (random.below(2 ** 24) + 0.5) * 2 ** -24;
  return Float32Array.from(
    { length: count2 },
    () => deviation * Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform())
  );
}
function initAdapter(model, config2, seed, device2) {
  checkLoraConfig(config2);
  const on = device2 ? { device: device2 } : {};
  const pair = ({ inFeatures, outFeatures }, index) => ({
    loraA: tensor(normals(deriveSeed(seed, index), config2.r * inFeatures, 1 / Math.sqrt(3 * inFeatures)), {
      shape: [config2.r, inFeatures],
      ...on
    }),
    loraB: tensor(new Float32Array(outFeatures * config2.r), { shape: [outFeatures, config2.r], ...on })
  });
  return Object.fromEntries(adaptedModules(model, config2).map((module, index) => [module.name, pair(module, index)]));
}
function loraLinear(adapter, config2, dropoutKey) {
  const scaling = loraScaling(config2);
  const streams = new Map(Object.keys(adapter).map((name, index) => [name, index]));
  return (name, x, weight) => {
    const base = denseLinear(name, x, weight);
    const pair = adapter[name];
    if (!pair) return base;
    const input2 = dropoutKey ? dropout(x, config2.dropout, dropoutKey, streams.get(name)) : x;
    return add(base, mul(linear(linear(input2, pair.loraA), pair.loraB), scaling));
  };
}

// src/optimizer.ts
var initAdamW = (params) => ({
  m: treeMap((p) => zeros(p.shape), params),
  v: treeMap((p) => zeros(p.shape), params)
});
var stepNumbers = (learningRate, step, { beta1, beta2 }) => Float32Array.of(learningRate, 1 - beta1 ** step, Math.sqrt(1 - beta2 ** step));
function adamw(params, grads, state2, numbers3, { beta1, beta2, epsilon, weightDecay }) {
  const number = (i) => reshape(sliceAxis(numbers3, 0, i, i + 1), []);
  const [learningRate, correction1, correction2] = [number(0), number(1), number(2)];
  const stepSize = div(learningRate, correction1);
  const gradLeaves = treeLeaves(grads);
  const [oldM, oldV] = [treeLeaves(state2.m), treeLeaves(state2.v)];
  const newM = gradLeaves.map((g, i) => add(mul(oldM[i], beta1), mul(g, 1 - beta1)));
  const newV = gradLeaves.map((g, i) => add(mul(oldV[i], beta2), mul(square(g), 1 - beta2)));
  const update = (p, i) => {
    const decayed = weightDecay === 0 ? p : mul(p, sub(1, mul(learningRate, weightDecay)));
    const scale = add(div(sqrt(newV[i]), correction2), epsilon);
    return sub(decayed, mul(div(newM[i], scale), stepSize));
  };
  return {
    params: treeMap(update, params),
    state: { m: treeMap((_, i) => newM[i], state2.m), v: treeMap((_, i) => newV[i], state2.v) }
  };
}
var globalNorm = (grads) => sqrt(
  treeLeaves(grads).map((g) => sum(square(g))).reduce((a, b) => add(a, b))
);
function clipByGlobalNorm(grads, maxNorm) {
  const norm = globalNorm(grads);
  if (maxNorm === 0) return { grads, norm };
  const factor = div(maxNorm, maximum(add(norm, 1e-6), maxNorm));
  return { grads: treeMap((g) => mul(g, factor), grads), norm };
}

// src/training-step.ts
var initState = (adapter) => {
  const make = jit((a) => initAdamW(a));
  const state2 = { adapter, ...make(adapter) };
  make.dispose();
  return state2;
};
var TrainingStep = class {
  #device;
  #config;
  #single;
  #accumulate;
  #apply;
  #zero;
  constructor(decoder, config2, device2) {
    this.#device = device2;
    this.#config = config2;
    const lossSum = (adapter, { tokens, labelRows, labels, key }) => {
      const linear2 = loraLinear(adapter, config2.lora, config2.lora.dropout > 0 ? key : void 0);
      return sum(tokenLosses({ ...decoder, linear: linear2 }, { tokens }, { labelRows, labels }));
    };
    const update = ({ adapter, m, v }, { loss, grads }, numbers3, inverse) => {
      const mean2 = treeMap((g) => mul(g, inverse), grads);
      const clipped = clipByGlobalNorm(mean2, config2.maxGradNorm);
      const next = adamw(adapter, clipped.grads, { m, v }, numbers3, config2.adamw);
      return { state: { adapter: next.params, ...next.state }, loss: mul(loss, inverse), gradNorm: clipped.norm };
    };
    const gradients = (adapter, batch2) => {
      const [loss, grads] = valueAndGrad((a) => lossSum(a, batch2))(adapter);
      return { loss, grads };
    };
    this.#single = jit(
      (state2, batch2, numbers3, inverse) => {
        const { state: next, loss, gradNorm } = update(state2, gradients(state2.adapter, batch2), numbers3, inverse);
        return { state: next, loss, gradNorm };
      },
      { donate: [0, 1, 2, 3] }
    );
    this.#accumulate = jit(
      (sums, adapter, batch2) => {
        const next = gradients(adapter, batch2);
        const total = Object.fromEntries(
          Object.entries(sums.grads).map(([name, pair]) => [
            name,
            { loraA: add(pair.loraA, next.grads[name].loraA), loraB: add(pair.loraB, next.grads[name].loraB) }
          ])
        );
        return { loss: add(sums.loss, next.loss), grads: total };
      },
      { donate: [0, 2] }
    );
    this.#apply = jit(
      (state2, sums, numbers3, inverse) => {
        const { state: next, loss, gradNorm } = update(state2, sums, numbers3, inverse);
        return { state: next, loss, gradNorm };
      },
      { donate: [0, 1, 2, 3] }
    );
    this.#zero = jit((adapter) => ({ loss: zeros([]), grads: treeMap((p) => zeros(p.shape), adapter) }));
  }
  #upload(data, shape) {
    return tensor(data, { shape, ...this.#device ? { device: this.#device } : {} });
  }
  #batch(batch2, seed, step, micro) {
    return {
      tokens: this.#upload(batch2.tokens, [batch2.batchSize, batch2.seqLen]),
      labelRows: this.#upload(batch2.labelRows, [batch2.labelRows.length]),
      labels: this.#upload(batch2.labels, [batch2.labels.length]),
      key: this.#upload(Uint32Array.from(keyWords(seed, step, micro)), [2])
    };
  }
  /**
   * One optimiser step over `batches` (its micro-steps). Consumes `state`. Returns at once; the scalars tell when it ran.
   * @param step 1 for the first
   */
  run(state2, batches, { step, learningRate, seed }) {
    const targets = batches.reduce((n, b) => n + b.targetTokens, 0);
    const numbers3 = this.#upload(stepNumbers(learningRate, step, this.#config.adamw), [3]);
    const inverse = this.#upload(Float32Array.of(1 / targets), []);
    const only = batches[0];
    if (only && batches.length === 1) return this.#single(state2, this.#batch(only, seed, step, 0), numbers3, inverse);
    let sums = this.#zero(state2.adapter);
    batches.forEach(
      (batch2, micro) => sums = this.#accumulate(sums, state2.adapter, this.#batch(batch2, seed, step, micro))
    );
    return this.#apply(state2, sums, numbers3, inverse);
  }
  /** Releases the compiled programs. */
  dispose() {
    for (const program of [this.#single, this.#accumulate, this.#apply, this.#zero]) program.dispose();
  }
};

// zz-b.ts
var config = { modelType: "llama", vocabSize: 512, hiddenSize: 64, intermediateSize: 172, layers: 5, heads: 8, kvHeads: 4, headDim: 8, rmsNormEpsilon: 1e-5, ropeTheta: 1e4, ropeScaling: { type: "default" }, maxPositions: 512, tiedHead: true, bosTokenId: 1, eosTokenIds: [2] };
var numbers2 = (seed, size, scale) => Float32Array.from({ length: size }, (_, i) => {
  const x = Math.sin((i + 1) * 12.9898 + seed * 78.233) * 43758.5453;
  return (x - Math.floor(x) - 0.5) * 2 * scale;
});
var [rows, seq, steps] = process.argv.slice(2).map(Number);
var device = await openWebGpuDevice();
if (process.env.TRACE) {
  const gpu = device.gpu;
  const orig = gpu.createComputePipelineAsync.bind(gpu);
  gpu.createComputePipelineAsync = void 0;
  const make = device.gpu.createComputePipeline.bind(device.gpu);
  Object.defineProperty(device.gpu, "createComputePipelineAsync", { value: async (d) => {
    const t = performance.now();
    const p = make(d);
    console.log("PIPE", (performance.now() - t).toFixed(0), d.label);
    return p;
  } });
}
var seen = [];
{
  const orig = device.gpu.createShaderModule.bind(device.gpu);
  Object.defineProperty(device.gpu, "createShaderModule", { value: (x) => {
    seen.push({ label: x.label, code: x.code });
    return orig(x);
  } });
}
setDefaultDevice(device);
var weights = Object.fromEntries([...weightShapes(config)].map(([name, shape], i) => [name, tensor(name.includes("norm") ? new Float32Array(sizeOf(shape)).fill(1) : numbers2(i, sizeOf(shape), 0.2), { shape })]));
var lora = { r: 8, alpha: 16, dropout: 0.1, targetModules: ["q_proj", "v_proj"], useRslora: false };
var samples = Array.from({ length: rows }, (_, row) => {
  const ids = Int32Array.from({ length: seq }, (_u, i) => (i * 31 + row * 17 + i * i % 7) % 512);
  return { ids, labels: ids, row };
});
var batch = collate(samples, samples.map((_, i) => i), { padId: 0 });
var stepper = new TrainingStep({ config, weights }, { lora, adamw: { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0.01 }, maxGradNorm: 1 });
var state = initState(initAdapter(config, lora, 3));
for (let step = 1; step <= steps; step++) {
  const t0 = performance.now();
  const d0 = device.counters.dispatches;
  const result = stepper.run(state, [batch], { step, learningRate: 0.01, seed: 1 });
  const t1 = performance.now();
  state = result.state;
  console.log(step, await result.loss.item(), "host", (t1 - t0).toFixed(1), "total", (performance.now() - t0).toFixed(0), "dispatches", device.counters.dispatches - d0);
}
console.log(device.counters, await device.memory());
if (process.env.DUMP) {
  const { writeFileSync } = await import("node:fs");
  writeFileSync(process.env.DUMP, JSON.stringify(seen));
}
await device.close();
