// The network, layer by layer, in plain JavaScript. A stack is {channels, side, values}: `channels`
// square channels of `side` × `side` numbers, one after the other in a Float64Array.

const STEPS = {
  // Each weight kernel slides over the input; no padding, stride 1.
  convolution(input, {channels, side: k, weight, bias}) {
    const n = input.side - k + 1;
    const values = new Float64Array(channels * n * n);
    for (let o = 0; o < channels; o++) {
      for (let y = 0; y < n; y++) for (let x = 0; x < n; x++) {
        let sum = bias[o];
        for (let i = 0; i < input.channels; i++) {
          const kernel = (o * input.channels + i) * k * k;
          const corner = i * input.side * input.side + y * input.side + x;
          for (let v = 0; v < k; v++) for (let u = 0; u < k; u++) {
            sum += weight[kernel + v * k + u] * input.values[corner + v * input.side + u];
          }
        }
        values[(o * n + y) * n + x] = sum;
      }
    }
    return {channels, side: n, values};
  },
  // 1998's subsampling: the sum of 2 × 2 neighbours, times a coefficient, plus a bias.
  subsampling: (input, {weight, bias}) =>
    pool(input, (a, b, c, d, map) => (a + b + c + d) * weight[map] + bias[map]),
  average: (input) => pool(input, (a, b, c, d) => (a + b + c + d) / 4),
  maximum: (input) => pool(input, (a, b, c, d) => Math.max(a, b, c, d)),
  linear(input, {channels, weight, bias}) {
    const n = input.values.length;
    const values = Float64Array.from({length: channels}, (_, o) => {
      let sum = bias[o];
      for (let i = 0; i < n; i++) sum += weight[o * n + i] * input.values[i];
      return sum;
    });
    return {channels, side: 1, values};
  },
  // Squared distance to each class's bitmap: a penalty, small is good.
  distance(input, {channels, weight}) {
    const n = input.values.length;
    const values = Float64Array.from({length: channels}, (_, o) => {
      let sum = 0;
      for (let i = 0; i < n; i++) sum += (input.values[i] - weight[o * n + i]) ** 2;
      return sum;
    });
    return {channels, side: 1, values};
  },
  // Batch normalisation with its running statistics folded in.
  normalisation: (input, {weight, bias}) => {
    const area = input.side * input.side;
    return {...input, values: input.values.map((v, i) => {
      const map = Math.floor(i / area);
      return v * weight[map] + bias[map];
    })};
  },
  relu: (input) => each(input, (v) => Math.max(v, 0)),
  tanh: (input) => each(input, Math.tanh),
  scaled_tanh: (input) => each(input, (v) => 1.7159 * Math.tanh(2 / 3 * v)),
  silu: (input) => each(input, (v) => v / (1 + Math.exp(-v))),
};

function each(input, f) {
  return {...input, values: input.values.map((v) => f(v))};
}

function pool({channels, side, values}, f) {
  const n = Math.floor(side / 2);
  const pooled = new Float64Array(channels * n * n);
  for (let m = 0; m < channels; m++) for (let y = 0; y < n; y++) for (let x = 0; x < n; x++) {
    const at = m * side * side + 2 * y * side + 2 * x;
    pooled[(m * n + y) * n + x] =
      f(values[at], values[at + 1], values[at + side], values[at + side + 1], m);
  }
  return {channels, side: n, values: pooled};
}

// Weights travel as one base64 string of little-endian float32.
function decodeWeights(text) {
  const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  const view = new DataView(bytes.buffer);
  return Float64Array.from({length: bytes.length / 4}, (_, i) => view.getFloat32(4 * i, true));
}

function buildNetwork({size, background, full, layers, outputs}, weights) {
  const part = ([start, length]) => weights.subarray(start, start + length);
  const built = layers.map(({name, steps}) => ({
    name,
    steps: steps.map((step) => ({
      ...step,
      weight: step.weight && part(step.weight),
      bias: step.bias && part(step.bias),
    })),
  }));

  // 784 pixels of ink, 0 to 1 → every layer's states by name, and the ten probabilities.
  function run(ink) {
    const values = new Float64Array(size * size).fill(background);
    const margin = (size - 28) / 2;
    for (let y = 0; y < 28; y++) for (let x = 0; x < 28; x++) {
      values[(y + margin) * size + x + margin] = background + ink[28 * y + x] * (full - background);
    }
    let state = {channels: 1, side: size, values};
    const states = {input: state};
    for (const {name, steps} of built) {
      for (const step of steps) state = STEPS[step.kind](state, step);
      states[name] = state;
    }
    const logits = Array.from(state.values, (v) => (outputs === "penalties" ? -v : v));
    const shares = logits.map((v) => Math.exp(v - Math.max(...logits)));
    const total = shares.reduce((a, b) => a + b);
    return {states, probabilities: shares.map((v) => v / total)};
  }

  return {run, layers: built};
}
