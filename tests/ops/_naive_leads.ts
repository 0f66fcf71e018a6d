/** Naive loops of the ops that forecast many leads from one state, of a layer's skip and timed steps. */
import type { Tensor } from "../../src/tensor/tensor.ts";

type Inputs = Record<string, Tensor>;
type Outputs = Record<string, number[]>;

const ACTS: Readonly<Record<string, (x: number) => number>> = {
  identity: (x) => x,
  silu: (x) => x / (1 + Math.exp(-x)),
  gelu_tanh: (x) => x / (1 + Math.exp(-2 * Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3))),
};

/** x·Φ(x), Φ by Simpson's rule. */
function gelu(x: number): number {
  const end = Math.max(-9, Math.min(9, x));
  const steps = 4000;
  const h = end / steps;
  const density = (v: number) => Math.exp(-v * v / 2) / Math.sqrt(2 * Math.PI);
  let sum = density(0) + density(end);
  for (let i = 1; i < steps; i++) sum += (i % 2 === 1 ? 4 : 2) * density(i * h);
  return x * (0.5 + sum * h / 3);
}

function pickSamples({ x, at }: Inputs): Outputs {
  const [batch, length, feature] = x!.shape as [number, number, number];
  const pick = at!.shape[1]!;
  const out: number[] = [];
  for (let b = 0; b < batch; b++) {
    for (let j = 0; j < pick; j++) {
      const place = Math.min(length - 1, Math.max(0, Math.round(at!.data[b * pick + j]!)));
      for (let d = 0; d < feature; d++) out.push(x!.data[(b * length + place) * feature + d]!);
    }
  }
  return { out };
}

function addRows({ a, b }: Inputs, { activation }: any): Outputs {
  const [each, feature] = b!.shape.slice(-2) as [number, number];
  const act = activation === "gelu" ? gelu : ACTS[activation]!;
  const out: number[] = [];
  for (let i = 0; i < a!.data.length / feature; i++) {
    for (let j = 0; j < each; j++) {
      for (let d = 0; d < feature; d++) {
        out.push(act(a!.data[i * feature + d]! + b!.data[(i * each + j) * feature + d]!));
      }
    }
  }
  return { out };
}

function anchorMixture({ z, anchors, valid, scale }: Inputs): Outputs {
  const anchor = anchors!.shape.at(-1)!;
  const column = z!.shape.at(-1)!;
  const q: number[] = [];
  for (let row = 0; row < scale!.data.length; row++) {
    const own = [...z!.data.slice(row * column, (row + 1) * column)];
    const there = Array.from({ length: anchor }, (_, i) => i)
      .filter((i) => valid!.data[row * anchor + i]! > 0.5);
    const top = Math.max(...there.map((i) => own[i]!));
    const total = there.reduce((sum, i) => sum + Math.exp(own[i]! - top), 0);
    const base = there.reduce((sum, i) => {
      return sum + Math.exp(own[i]! - top) / total * anchors!.data[row * anchor + i]!;
    }, 0);
    const g = Math.exp(Math.max(-5, Math.min(5, own[anchor]!)));
    const raw = own.slice(anchor + 1);
    const m = Math.floor(raw.length / 2);
    for (let k = 0; k < raw.length; k++) {
      let r = raw[m]!;
      for (let j = m + 1; j <= k; j++) r += Math.log(1 + Math.exp(raw[j]! - 0.5));
      for (let j = m - 1; j >= k; j--) r -= Math.log(1 + Math.exp(raw[j]! - 0.5));
      q.push(base + scale!.data[row]! * g * r);
    }
  }
  return { q };
}

function skip({ a, u, weight }: Inputs, { activation }: any): Outputs {
  const width = weight!.shape[0]!;
  const y = [...a!.data].map((value, i) => value + weight!.data[i % width]! * u!.data[i]!);
  return { y, g: y.map(ACTS[activation] ?? gelu) };
}

function timedSteps({ raw, scale }: Inputs): Outputs {
  const feature = raw!.shape.at(-1)!;
  const softplus = (x: number) => x > 20 ? x : Math.log1p(Math.exp(x));
  return {
    delta: [...raw!.data].map((x, i) => scale!.data[Math.floor(i / feature)]! * softplus(x)),
  };
}

export const NAIVE_LEADS = {
  timed_steps: timedSteps,
  skip,
  pick_samples: pickSamples,
  add_rows: addRows,
  anchor_mixture: anchorMixture,
};
