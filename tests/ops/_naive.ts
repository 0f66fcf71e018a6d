/**
 * The ops once more as the plainest loops over their equations, in f64, with indices spelled out:
 * what the twins are held to. Nothing here is shared with the twins.
 */
import type { Tensor } from "../../src/tensor/tensor.ts";
import { NAIVE_FAMILY } from "./_naive_family.ts";
import { naiveKalmanFilter, naiveKalmanSmoother } from "./_naive_kalman.ts";
import { legsScan, sharedScan } from "./_naive_memory.ts";
import { NAIVE_STEPS } from "./_naive_steps.ts";
import { NAIVE_SYSTEMS } from "./_naive_systems.ts";
import { NAIVE_LOSSES } from "./_naive_losses.ts";
import { NAIVE_LEADS } from "./_naive_leads.ts";

type Inputs = Record<string, Tensor>;
type Outputs = Record<string, number[]>;

interface Complex {
  re: number;
  im: number;
}

const complexAt = (t: Tensor, i: number): Complex => ({
  re: t.data[2 * i]!,
  im: t.data[2 * i + 1]!,
});
const mul = (a: Complex, b: Complex): Complex => ({
  re: a.re * b.re - a.im * b.im,
  im: a.re * b.im + a.im * b.re,
});
const plus = (a: Complex, b: Complex): Complex => ({ re: a.re + b.re, im: a.im + b.im });
const div = (a: Complex, b: Complex): Complex => {
  const n = b.re * b.re + b.im * b.im;
  return mul(a, { re: b.re / n, im: -b.im / n });
};
const exp = (a: Complex): Complex => ({
  re: Math.exp(a.re) * Math.cos(a.im),
  im: Math.exp(a.re) * Math.sin(a.im),
});
const scaled = (a: Complex, s: number): Complex => ({ re: a.re * s, im: a.im * s });

/** (exp(z) − 1)/z by its series, which converges for every z. */
function expQuotient(z: Complex): Complex {
  let term: Complex = { re: 1, im: 0 };
  let sum = term;
  for (let n = 2; n < 400; n++) {
    term = scaled(mul(term, z), 1 / n);
    sum = plus(sum, term);
  }
  return sum;
}

const silu = (x: number) => x / (1 + Math.exp(-x));

/** erf by Simpson's rule on its integral. */
function erf(x: number): number {
  const end = Math.min(Math.abs(x), 8);
  const steps = 4000;
  const h = end / steps;
  let sum = 1 + Math.exp(-end * end);
  for (let i = 1; i < steps; i++) sum += (i % 2 === 1 ? 4 : 2) * Math.exp(-((i * h) ** 2));
  return Math.sign(x) * 2 / Math.sqrt(Math.PI) * sum * h / 3;
}

const POINTWISE: Record<string, (x: number, beta: number) => number> = {
  negative_exp: (x) => -Math.exp(x),
  identity: (x) => x,
  silu,
  gelu: (x) => 0.5 * x * (1 + erf(x / Math.SQRT2)),
  gelu_tanh: (x) => 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3))),
  softplus: (x, beta) => beta * x > 20 ? x : Math.log(1 + Math.exp(beta * x)) / beta,
  sigmoid: (x) => 1 / (1 + Math.exp(-x)),
  tanh: (x) => Math.tanh(x),
  relu: (x) => Math.max(x, 0),
  log_sigmoid: (x) => x < -700 ? x : -Math.log(1 + Math.exp(-x)),
};

function linearScan(inputs: Inputs, params: any): Outputs {
  const { u, A, B, C, D, dt, x0 } = inputs as Required<Inputs>;
  const [batch, length, feature] = u!.shape as [number, number, number];
  const states = A!.shape[1]!;
  const y = new Array<number>(u!.data.length).fill(NaN);
  const state: number[] = [];
  for (let b = 0; b < batch; b++) {
    for (let d = 0; d < feature; d++) {
      const x: Complex[] = [];
      for (let n = 0; n < states; n++) {
        x.push(x0 ? complexAt(x0, (b * feature + d) * states + n) : { re: 0, im: 0 });
      }
      for (let k = 0; k < length; k++) {
        const at = (b * length + k) * feature + d;
        let sum = 0;
        for (let n = 0; n < states; n++) {
          let abar = complexAt(A!, d * states + n);
          let bbar = complexAt(B!, d * states + n);
          if (params.variant === "perStep") {
            const z = scaled(abar, dt!.data[at]!);
            const one = { re: 1, im: 0 };
            if (params.discretization === "bilinear") {
              const below = plus(one, scaled(z, -0.5));
              abar = div(plus(one, scaled(z, 0.5)), below);
              bbar = scaled(div(bbar, below), dt!.data[at]!);
            } else {
              const far = Math.hypot(z.re, z.im) > 2;
              const quotient = far ? div(plus(exp(z), { re: -1, im: 0 }), z) : expQuotient(z);
              abar = exp(z);
              bbar = scaled(mul(quotient, bbar), dt!.data[at]!);
            }
          }
          x[n] = plus(mul(abar, x[n]!), scaled(bbar, u!.data[at]!));
          sum += mul(complexAt(C!, d * states + n), x[n]!).re;
        }
        const factor = params.conjugatePairs === false ? 1 : 2;
        y[at] = factor * sum + (D ? D.data[d]! * u!.data[at]! : 0);
      }
      for (const value of x) state.push(value.re, value.im);
    }
  }
  return { y, state };
}

function selectiveScan(inputs: Inputs, params: any): Outputs {
  const { u, delta, A, B, C, D, z, deltaBias, x0 } = inputs as Required<Inputs>;
  const [batch, length, feature] = u!.shape as [number, number, number];
  const states = A!.shape[1]!;
  const read = (t: Tensor, i: number): Complex =>
    params.complex ? complexAt(t, i) : { re: t.data[i]!, im: 0 };
  const rank = params.complex ? 3 : 2;
  const rowOf = (t: Tensor, b: number, k: number, d: number): number => {
    if (t.shape.length === rank) return d * states;
    const groups = t.shape[2]!;
    const g = Math.floor(d / (feature / groups));
    return ((b * length + k) * groups + g) * states;
  };
  const y = new Array<number>(u!.data.length).fill(NaN);
  const state: number[] = [];
  for (let b = 0; b < batch; b++) {
    for (let d = 0; d < feature; d++) {
      const x: Complex[] = [];
      for (let n = 0; n < states; n++) {
        x.push(x0 ? read(x0, (b * feature + d) * states + n) : { re: 0, im: 0 });
      }
      for (let k = 0; k < length; k++) {
        const at = (b * length + k) * feature + d;
        let step = delta!.data[at]! + (deltaBias ? deltaBias.data[d]! : 0);
        if (params.softplus) step = POINTWISE.softplus!(step, 1);
        let sum = 0;
        for (let n = 0; n < states; n++) {
          const decay = exp(scaled(read(A!, d * states + n), step));
          const push = scaled(read(B!, rowOf(B!, b, k, d) + n), step * u!.data[at]!);
          x[n] = plus(mul(decay, x[n]!), push);
          sum += mul(read(C!, rowOf(C!, b, k, d) + n), x[n]!).re;
        }
        sum = (params.complex ? 2 : 1) * sum + (D ? D.data[d]! * u!.data[at]! : 0);
        y[at] = z ? sum * silu(z.data[at]!) : sum;
      }
      for (const value of x) {
        state.push(value.re);
        if (params.complex) state.push(value.im);
      }
    }
  }
  return { y, state };
}

function matmul(inputs: Inputs, params: any): Outputs {
  const { a, b, bias } = inputs as Required<Inputs>;
  const [aRows, aColumns] = a!.shape.slice(-2) as [number, number];
  const [bRows, bColumns] = b!.shape.slice(-2) as [number, number];
  const m = params.transposeA ? aColumns : aRows;
  const k = params.transposeA ? aRows : aColumns;
  const n = params.transposeB ? bRows : bColumns;
  const pairs = a!.data.length / (m * k);
  const c: number[] = [];
  for (let pair = 0; pair < pairs; pair++) {
    const firstB = b!.shape.length === 2 ? 0 : pair * k * n;
    for (let i = 0; i < m; i++) {
      for (let j = 0; j < n; j++) {
        let sum = bias ? bias.data[j]! : 0;
        for (let p = 0; p < k; p++) {
          const left = a!.data[pair * m * k + (params.transposeA ? p * m + i : i * k + p)]!;
          const right = b!.data[firstB + (params.transposeB ? j * k + p : p * n + j)]!;
          sum += left * right;
        }
        c.push(POINTWISE[params.activation ?? "identity"]!(sum, 1));
      }
    }
  }
  return { c };
}

function conv1d(inputs: Inputs, params: any): Outputs {
  const { u, weight, bias, x0 } = inputs as Required<Inputs>;
  const [batch, length, feature] = u!.shape as [number, number, number];
  const width = weight!.shape[1]!;
  const past = width - 1;
  const inputAt = (b: number, d: number, k: number): number => {
    if (k >= 0) return u!.data[(b * length + k) * feature + d]!;
    return x0 ? x0.data[(b * feature + d) * past + past + k]! : 0;
  };
  const y = new Array<number>(u!.data.length).fill(NaN);
  const state: number[] = [];
  for (let b = 0; b < batch; b++) {
    for (let d = 0; d < feature; d++) {
      for (let k = 0; k < length; k++) {
        let sum = bias ? bias.data[d]! : 0;
        for (let j = 0; j < width; j++) {
          sum += weight!.data[d * width + j]! * inputAt(b, d, k - past + j);
        }
        y[(b * length + k) * feature + d] = POINTWISE[params.activation]!(sum, 1);
      }
      for (let j = 0; j < past; j++) state.push(inputAt(b, d, length - past + j));
    }
  }
  return { y, state };
}

function fftConv(inputs: Inputs): Outputs {
  const { u, kernel, D } = inputs as Required<Inputs>;
  const [batch, length, feature] = u!.shape as [number, number, number];
  const taps = kernel!.shape[1]!;
  const y = new Array<number>(u!.data.length).fill(NaN);
  for (let b = 0; b < batch; b++) {
    for (let d = 0; d < feature; d++) {
      for (let k = 0; k < length; k++) {
        const at = (b * length + k) * feature + d;
        let sum = D ? D.data[d]! * u!.data[at]! : 0;
        for (let j = 0; j <= k && j < taps; j++) {
          sum += kernel!.data[d * taps + j]! * u!.data[at - j * feature]!;
        }
        y[at] = sum;
      }
    }
  }
  return { y };
}

function vandermonde(inputs: Inputs, params: any): Outputs {
  const { logAbar, C } = inputs as Required<Inputs>;
  const [feature, states] = logAbar!.shape as [number, number];
  const kernel: number[] = [];
  for (let d = 0; d < feature; d++) {
    for (let l = 0; l < params.length; l++) {
      let sum = 0;
      for (let n = 0; n < states; n++) {
        const power = exp(scaled(complexAt(logAbar!, d * states + n), l));
        sum += mul(complexAt(C!, d * states + n), power).re;
      }
      kernel.push((params.conjugatePairs === false ? 1 : 2) * sum);
    }
  }
  return { kernel };
}

function rmsNorm(inputs: Inputs, params: any): Outputs {
  const { x, weight, z } = inputs as Required<Inputs>;
  const feature = x!.shape.at(-1)!;
  const size = params.groupSize ?? feature;
  const first = [...x!.data].map((v, i) => z && !params.normBeforeGate ? v * silu(z.data[i]!) : v);
  const out = first.map((v, i) => {
    const start = i - i % size;
    const mean = first.slice(start, start + size).reduce((s, w) => s + w * w, 0) / size;
    const normed = v / Math.sqrt(mean + params.eps) * (weight ? weight.data[i % feature]! : 1);
    return z && params.normBeforeGate ? normed * silu(z.data[i]!) : normed;
  });
  return { out };
}

function layerNorm(inputs: Inputs, params: any): Outputs {
  const { x, weight, bias } = inputs as Required<Inputs>;
  const feature = x!.shape.at(-1)!;
  const out = [...x!.data].map((v, i) => {
    const row = [...x!.data.slice(i - i % feature, i - i % feature + feature)];
    const mean = row.reduce((s, w) => s + w, 0) / feature;
    const variance = row.reduce((s, w) => s + (w - mean) ** 2, 0) / feature;
    const normed = (v - mean) / Math.sqrt(variance + params.eps);
    return normed * (weight?.data[i % feature] ?? 1) + (bias?.data[i % feature] ?? 0);
  });
  return { out };
}

function softmax(inputs: Inputs, params: any): Outputs {
  const x = inputs.x!;
  const width = x.shape.at(-1)!;
  const queries = x.shape.at(-2) ?? 1;
  const y: number[] = [];
  const logSumExp: number[] = [];
  for (let row = 0; row < x.data.length / width; row++) {
    const seen = params.causal ? row % queries + 1 + width - queries : width;
    const values = [...x.data.slice(row * width, row * width + seen)]
      .map((v) => v * (params.scale ?? 1));
    const top = Math.max(...values);
    const total = values.reduce((s, v) => s + Math.exp(v - top), 0);
    for (let j = 0; j < width; j++) y.push(j < seen ? Math.exp(values[j]! - top) / total : 0);
    logSumExp.push(top + Math.log(total));
  }
  return { y, logSumExp };
}

/** The naive form of every op by name. */
/** By the definition: 11 binary digits from the first, none below 2^-24, ties to even. */
function nearestHalf(x: number): number {
  const most = 65504;
  if (Math.abs(x) >= most) return Math.sign(x) * most;
  if (x === 0) return 0;
  const step = 2 ** Math.max(-24, Math.floor(Math.log2(Math.abs(x))) - 10);
  const steps = x / step;
  const down = Math.floor(steps);
  const isUp = steps - down > 0.5 || (steps - down === 0.5 && down % 2 !== 0);
  return (isUp ? down + 1 : down) * step;
}

export const NAIVE: Readonly<Record<string, (inputs: Inputs, params: any) => Outputs>> = {
  ...NAIVE_FAMILY,
  kalman_filter: naiveKalmanFilter,
  kalman_smoother: naiveKalmanSmoother,
  ...NAIVE_STEPS,
  ...NAIVE_SYSTEMS,
  ...NAIVE_LOSSES,
  ...NAIVE_LEADS,
  legs_scan: legsScan,
  shared_scan: sharedScan,
  linear_scan: linearScan,
  selective_scan: selectiveScan,
  matmul,
  norm_matmul: ({ x, weight, b, bias }, params) => {
    const { out } = rmsNorm({ x: x!, weight: weight! }, params);
    const a = { ...x!, data: Float64Array.from(out!) };
    return matmul({ a, b: b!, ...(bias && { bias }) }, { transposeB: true });
  },
  conv1d,
  fft_conv: fftConv,
  vandermonde,
  rms_norm: rmsNorm,
  layer_norm: layerNorm,
  softmax,
  activation: ({ x }, { kind, beta }) => ({
    y: [...x!.data].map((v) => POINTWISE[kind]!(v, beta ?? 1)),
  }),
  discretize: ({ logDt, logDecay, frequency, B }, { method }) => {
    const state = logDecay!.shape[1]!;
    const Abar: number[] = [];
    const Bbar: number[] = [];
    for (let i = 0; i < logDecay!.data.length; i++) {
      const dt = Math.exp(logDt!.data[Math.floor(i / state)]!);
      const z = { re: -dt * Math.exp(logDecay!.data[i]!), im: dt * frequency!.data[i]! };
      const below = { re: 1 - z.re / 2, im: -z.im / 2 };
      const a = method === "zoh" ? exp(z) : div({ re: 1 + z.re / 2, im: z.im / 2 }, below);
      // Far out the series would cancel, the quotient itself does not.
      const isFar = Math.hypot(z.re, z.im) > 1;
      const hold = isFar ? div({ re: a.re - 1, im: a.im }, z) : expQuotient(z);
      const factor = method === "zoh" ? scaled(hold, dt) : div({ re: dt, im: 0 }, below);
      const b = mul(factor, complexAt(B!, i));
      Abar.push(a.re, a.im);
      Bbar.push(b.re, b.im);
    }
    return { Abar, Bbar };
  },
  adam: ({ parameter, gradient, mean, variance, squaredNorm, largest, settings }, params) => {
    const { step, beta1, beta2, eps, decayInGradient, clipNorm } = params;
    const out: Outputs = { nextParameter: [], nextMean: [], nextVariance: [], nextLargest: [] };
    parameter!.data.forEach((weight, i) => {
      const run = settings?.data.slice(3 * Math.floor(i / 64), 3 * Math.floor(i / 64) + 3);
      if (run?.[2] === 0) {
        out["nextMean"]!.push(mean!.data[i]!);
        out["nextVariance"]!.push(variance!.data[i]!);
        if (largest) out["nextLargest"]!.push(largest.data[i]!);
        out["nextParameter"]!.push(weight);
        return;
      }
      const rate = params.rate * (run?.[0] ?? 1);
      const decay = run?.[1] ?? params.decay;
      let g = gradient!.data[i]!;
      if (squaredNorm) g *= Math.min(1, clipNorm / (Math.sqrt(squaredNorm.data[0]!) + 1e-6));
      if (decayInGradient) g += decay * weight;
      const m = mean!.data[i]! * beta1 + g * (1 - beta1);
      const v = variance!.data[i]! * beta2 + g ** 2 * (1 - beta2);
      const top = largest ? Math.max(v, largest.data[i]!) : v;
      const corrected = top / (1 - beta2 ** step);
      const kept = decayInGradient ? weight : weight - rate * decay * weight;
      out["nextMean"]!.push(m);
      out["nextVariance"]!.push(v);
      if (largest) out["nextLargest"]!.push(top);
      const move = m / (1 - beta1 ** step) / (Math.sqrt(corrected) + eps);
      out["nextParameter"]!.push(kept - rate * move);
    });
    return out;
  },
  half: ({ x }) => ({ out: Array.from(x!.data, nearestHalf) }),
  blend: ({ a, b }, { share }) => ({
    out: Array.from(a!.data, (value, i) => (1 - share) * value + share * b!.data[i]!),
  }),
  squared_norm: ({ x, total }) => ({
    norm: [Array.from(x!.data).reduce((sum, v) => sum + v * v, total ? total.data[0]! : 0)],
  }),
  gate: ({ y, z }, { activation }) => {
    const act = (v: number) => POINTWISE[activation]!(v, 1);
    if (z) return { out: [...y!.data].map((v, i) => v * act(z.data[i]!)) };
    const width = y!.shape.at(-1)!;
    const half = width / 2;
    const kept = [...y!.data.keys()].filter((i) => i % width < half);
    return { out: kept.map((i) => y!.data[i]! * act(y!.data[i + half]!)) };
  },
  add: ({ a, b }) => ({
    out: [...a!.data].map((v, i) => v + b!.data[i % b!.data.length]!),
  }),
  transpose: ({ x }) => {
    const [rows, columns] = x!.shape.slice(-2) as [number, number];
    const from = (i: number) => {
      const [within, first] = [i % (rows * columns), i - i % (rows * columns)];
      return first + within % rows * columns + Math.floor(within / rows);
    };
    return { out: Array.from(x!.data, (_, i) => x!.data[from(i)]!) };
  },
  slice: ({ x }, { start, count }) => {
    const width = x!.shape.at(-1)!;
    const inRange = (i: number) => i % width >= start && i % width < start + count;
    return { out: [...x!.data].filter((_, i) => inRange(i)) };
  },
  gather_rows: ({ a, b, rows }) => {
    const all = [...a!.data, ...(b?.data ?? [])];
    const width = a!.data.length / a!.shape[0]!;
    const last = all.length / width - 1;
    return {
      out: [...rows!.data].flatMap((row) => {
        const at = Math.min(last, Math.max(0, Math.floor(row + 0.5))) * width;
        return all.slice(at, at + width);
      }),
    };
  },
  split: ({ x }, { sizes }) => {
    const width = x!.shape.at(-1)!;
    const parts: Record<string, number[]> = {};
    let start = 0;
    for (let p = 0; p < 6; p++) {
      const end = start + (sizes[p] ?? 0);
      const from = start;
      parts[`part${p}`] = [...x!.data].filter((_, i) => i % width >= from && i % width < end);
      start = end;
    }
    return parts;
  },
};
