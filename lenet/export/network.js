// The network, layer by layer, in plain JavaScript. A stack is {channels, side, values}: `channels`
// square channels of `side` × `side` numbers, one after the other in a Float64Array.

const STEPS = {
  // Each weight kernel slides over the input.
  convolution(given, {channels, side: k, stride, padding, weight, bias}) {
    const input = padding ? STEPS.pad(given, {before: padding, after: padding, value: 0}) : given;
    const n = Math.floor((input.side - k) / stride) + 1;
    const values = new Float64Array(channels * n * n);
    for (let o = 0; o < channels; o++) {
      for (let y = 0; y < n; y++) for (let x = 0; x < n; x++) {
        let sum = bias ? bias[o] : 0;
        for (let i = 0; i < input.channels; i++) {
          const kernel = (o * input.channels + i) * k * k;
          const corner = (i * input.side + y * stride) * input.side + x * stride;
          for (let v = 0; v < k; v++) for (let u = 0; u < k; u++) {
            sum += weight[kernel + v * k + u] * input.values[corner + v * input.side + u];
          }
        }
        values[(o * n + y) * n + x] = sum;
      }
    }
    return {channels, side: n, values};
  },
  // A frame of one value around each channel.
  pad({channels, side, values}, {before, after, value}) {
    const n = side + before + after;
    const padded = new Float64Array(channels * n * n).fill(value);
    for (let m = 0; m < channels; m++) for (let y = 0; y < side; y++) {
      const row = (m * side + y) * side;
      padded.set(values.subarray(row, row + side), (m * n + y + before) * n + before);
    }
    return {channels, side: n, values: padded};
  },
  // 1998's subsampling: the sum of 2 × 2 neighbours, times a coefficient, plus a bias.
  subsampling(input, {weight, bias, copies}) {
    const {channels, side, values} = pool(input, {window: 2, stride: 2, padding: 0}, 0, (a, b) => a + b);
    const area = side * side, made = new Float64Array(channels * copies * area);
    for (let m = 0; m < channels * copies; m++) for (let i = 0; i < area; i++) {
      made[m * area + i] = values[Math.floor(m / copies) * area + i] * weight[m] + bias[m];
    }
    return {channels: channels * copies, side, values: made};
  },
  average(input, options) {
    const sums = pool(input, options, 0, (a, b) => a + b);
    return each(sums, (v) => v / options.window ** 2);
  },
  maximum: (input, options) => pool(input, options, -Infinity, Math.max),
  // Each channel's mean over all its positions.
  mean({channels, side, values}) {
    const area = side * side;
    const means = Float64Array.from({length: channels}, (_, m) =>
      values.subarray(m * area, (m + 1) * area).reduce((a, b) => a + b) / area);
    return {channels, side: 1, values: means};
  },
  linear(input, {channels, weight, bias}) {
    const n = input.values.length;
    const values = Float64Array.from({length: channels}, (_, o) => {
      let sum = bias ? bias[o] : 0;
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
  // Batch normalization with its running statistics folded in.
  normalization: (input, {weight, bias}) => {
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
  gelu: (input) => each(input, (v) => v / 2 * (1 + erf(v / Math.SQRT2))),
};

// Source: Abramowitz and Stegun 1964, 7.1.26; the error is below 1.5e-7.
function erf(x) {
  const t = 1 / (1 + 0.3275911 * Math.abs(x));
  const series = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))));
  return Math.sign(x) * (1 - series * Math.exp(-x * x));
}

function each(input, f) {
  return {...input, values: input.values.map((v) => f(v))};
}

// Squares of window × window values become one each; what lies outside is `start`.
function pool({channels, side, values}, {window, stride, padding}, start, join) {
  const n = Math.floor((side + 2 * padding - window) / stride) + 1;
  const pooled = new Float64Array(channels * n * n).fill(start);
  for (let m = 0; m < channels; m++) for (let y = 0; y < n; y++) for (let x = 0; x < n; x++) {
    const top = y * stride - padding, left = x * stride - padding, at = (m * n + y) * n + x;
    for (let v = Math.max(top, 0); v < Math.min(top + window, side); v++) {
      for (let u = Math.max(left, 0); u < Math.min(left + window, side); u++) {
        pooled[at] = join(pooled[at], values[(m * side + v) * side + u]);
      }
    }
  }
  return {channels, side: n, values: pooled};
}

// Rows of `width` values become rows of `target`: each the mean of those around it, weighted by a
// triangle as wide as `step` (1 at least), as Pillow and PyTorch antialias.
function resample(values, width, target, step = width / target) {
  const reach = Math.max(step, 1), rows = values.length / width;
  const made = new Float64Array(rows * target);
  for (let x = 0; x < target; x++) {
    const centre = (x + 0.5) * step;
    const from = Math.max(Math.floor(centre - reach + 0.5), 0);
    const to = Math.min(Math.floor(centre + reach + 0.5), width);
    let total = 0;
    for (let u = from; u < to; u++) {
      const share = Math.max(1 - Math.abs(u + 0.5 - centre) / reach, 0);
      total += share;
      for (let y = 0; y < rows; y++) made[y * target + x] += share * values[y * width + u];
    }
    for (let y = 0; y < rows; y++) made[y * target + x] /= total;
  }
  return made;
}

// The same for rows and columns of one channel.
function resize(values, width, height, target, step) {
  const flip = (v, n) => v.map((_, i) => v[(i % (v.length / n)) * n + Math.floor(i / (v.length / n))]);
  const across = flip(resample(values, width, target, step), target); // target rows of height values
  return flip(resample(across, height, target, step), target);
}

// Weights travel as one base64 string of little-endian float32.
function decodeWeights(text) {
  const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  const view = new DataView(bytes.buffer);
  return Float64Array.from({length: bytes.length / 4}, (_, i) => view.getFloat32(4 * i, true));
}

function buildNetwork({size, image, shrink, places, levels, layers, outputs, weights: text}) {
  const weights = decodeWeights(text);
  const part = ([start, length]) => weights.subarray(start, start + length);
  const built = layers.map(({name, steps}) => ({
    name,
    steps: steps.map((step) => ({
      ...step,
      weight: step.weight && part(step.weight),
      bias: step.bias && part(step.bias),
    })),
  }));

  // Pixels from 0 to 1, channel by channel → every layer's states by name, and the probabilities.
  function run(pixels) {
    const {channels} = image, area = image.side ** 2;
    const side = Math.floor(image.side * shrink);
    const margin = Math.floor((size - side) / 2);
    let values = new Float64Array(channels * size * size);
    for (let m = 0; m < channels; m++) {
      const [background, full] = levels[m % levels.length];
      let channel = Float64Array.from(pixels.slice(m * area, (m + 1) * area));
      if (shrink < 1) channel = resize(channel, image.side, image.side, side, 1 / shrink);
      values.fill(background, m * size * size, (m + 1) * size * size);
      for (let y = 0; y < side; y++) for (let x = 0; x < side; x++) {
        values[(m * size + y + margin) * size + x + margin] =
          background + channel[side * y + x] * (full - background);
      }
    }
    if (places) values = values.map((_, i) => values[i - i % places.length + places[i % places.length]]);
    let state = {channels, side: size, values};
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
