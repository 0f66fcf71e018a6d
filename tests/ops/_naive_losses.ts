/** The losses, and the ops at a model's two ends, as the plainest loops; see `_naive.ts`. */
import { gamma } from "../../src/ssm/gamma.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";

type Inputs = Record<string, Tensor>;
type Outputs = Record<string, number[]>;

/** The weighted mean of a value a row; rows of weight 0 are not asked for theirs. */
function mean(inputs: Inputs, value: (row: number, target: number) => number) {
  const targets = [...inputs.targets!.data];
  const rows = targets.map((target, row) => ({ row, target, w: inputs.weights?.data[row] ?? 1 }))
    .filter(({ w }) => w !== 0);
  const total = rows.reduce((sum, { w }) => sum + w, 0);
  const sum = rows.reduce((before, { row, target, w }) => before + w * value(row, target), 0);
  return { loss: [total === 0 ? 0 : sum / total], total: [total], rows };
}

function columnsOf({ predictions }: Inputs, row: number): number[] {
  const width = predictions!.shape.at(-1)!;
  return [...predictions!.data.slice(row * width, (row + 1) * width)];
}

/** log Γ, by Lanczos where gamma does not overflow, by Stirling's first terms beyond. */
function logGamma(x: number): number {
  if (x < 100) return Math.log(gamma(x));
  return (x - 0.5) * Math.log(x) - x + 0.5 * Math.log(2 * Math.PI) + 1 / (12 * x) -
    1 / (360 * x ** 3) + 1 / (1260 * x ** 5);
}

function studentT(inputs: Inputs): Outputs {
  const { loss, total } = mean(inputs, (row, target) => {
    const [m, s, n] = columnsOf(inputs, row) as [number, number, number];
    const freedom = Math.exp(n);
    const z = (target - m) / Math.exp(s);
    const spread = 0.5 * Math.log(freedom * Math.PI) + s;
    const gammas = logGamma(freedom / 2) - logGamma((freedom + 1) / 2);
    return gammas + spread + (freedom + 1) / 2 * Math.log1p(z ** 2 / freedom);
  });
  return { loss, total };
}

function gaussian(inputs: Inputs): Outputs {
  const { loss, total } = mean(inputs, (row, target) => {
    const [m, s] = columnsOf(inputs, row) as [number, number];
    const variance = Math.exp(2 * s);
    return 0.5 * (Math.log(2 * Math.PI * variance) + (target - m) ** 2 / variance);
  });
  return { loss, total };
}

/** Beyond this many standard deviations a normal distribution function is 0 or 1 to 1e-19. */
const FAR = 9;
const INTERVALS = 2000;

/**
 * ∫ (F(t) − [t ≥ target])² dt for a normal F: Simpson's rule on each side of the target, with the
 * distribution function itself carried along by the same rule.
 */
function crpsIntegral(m: number, scale: number, target: number): number {
  const density = (z: number) => Math.exp(-z * z / 2) / Math.sqrt(2 * Math.PI);
  const at = (target - m) / scale;
  let phi = 0;
  const side = (from: number, to: number, step: number): number => {
    const h = (to - from) / INTERVALS;
    let sum = 0;
    for (let i = 0; i < INTERVALS; i++) {
      const [a, b, c] = [0, 0.5, 1].map((part) => density(from + (i + part) * h));
      const before = (phi - step) ** 2;
      const half = (phi + h / 24 * (5 * a! + 8 * b! - c!) - step) ** 2;
      phi += h / 6 * (a! + 4 * b! + c!);
      sum += h / 6 * (before + 4 * half + (phi - step) ** 2);
    }
    return sum;
  };
  const middle = Math.min(FAR, Math.max(-FAR, at));
  return scale * (side(-FAR, middle, 0) + side(middle, FAR, 1) + Math.abs(at - middle));
}

function gaussianCrps(inputs: Inputs): Outputs {
  const { loss, total } = mean(inputs, (row, target) => {
    const [m, s] = columnsOf(inputs, row) as [number, number];
    return crpsIntegral(m, Math.exp(s), target);
  });
  return { loss, total };
}

function quantile(inputs: Inputs, { quantiles, scale, shares, cap }: any): Outputs {
  const { loss, total } = mean(inputs, (row, target) => {
    const losses = columnsOf(inputs, row).map((prediction, k) => {
      const error = target - prediction;
      const share = shares === undefined ? 1 : shares[k];
      return share * Math.max(quantiles[k] * error, (quantiles[k] - 1) * error);
    });
    const value = (scale ?? 1) * losses.reduce((a, b) => a + b) / losses.length;
    return cap !== undefined && value > cap ? cap + Math.log(1 + value - cap) : value;
  });
  return { loss, total };
}

function crossEntropy(inputs: Inputs): Outputs {
  const { logits } = inputs;
  const width = logits!.shape.at(-1)!;
  const rowOf = (row: number) => [...logits!.data.slice(row * width, (row + 1) * width)];
  const { loss, total, rows } = mean(inputs, (row, target) => {
    const values = rowOf(row);
    const top = Math.max(...values);
    return top + Math.log(values.reduce((s, v) => s + Math.exp(v - top), 0)) - values[target]!;
  });
  const hits = rows.filter(({ row, target }) =>
    rowOf(row).indexOf(Math.max(...rowOf(row))) === target
  );
  return { loss, total, correct: [hits.reduce((sum, { w }) => sum + w, 0)] };
}

function embedding({ table, ids }: Inputs): Outputs {
  const [vocabulary, feature] = table!.shape as [number, number];
  const rowOf = (id: number) => {
    const row = Math.min(vocabulary - 1, Math.max(0, Math.round(id)));
    return [...table!.data.slice(row * feature, (row + 1) * feature)];
  };
  return { out: [...ids!.data].flatMap(rowOf) };
}

function pool({ x }: Inputs, { kind }: any): Outputs {
  const [batch, length, feature] = x!.shape as [number, number, number];
  const out: number[] = [];
  for (let b = 0; b < batch; b++) {
    for (let d = 0; d < feature; d++) {
      const column = Array.from(
        { length },
        (_, k) => x!.data[(b * length + k) * feature + d]!,
      );
      out.push(kind === "last" ? column.at(-1)! : column.reduce((s, v) => s + v, 0) / length);
    }
  }
  return { out };
}

/** The hash in integers of unbounded size. */
function mix(value: bigint): bigint {
  let h = value & 0xffffffffn;
  h = (h ^ (h >> 16n)) * 0x85ebca6bn & 0xffffffffn;
  h = (h ^ (h >> 13n)) * 0xc2b2ae35n & 0xffffffffn;
  return h ^ (h >> 16n);
}

function dropout({ x }: Inputs, { rate, seed, step }: any): Outputs {
  const gamma32 = 0x9e3779b9n;
  const key = mix(mix(BigInt(seed) + gamma32) ^ BigInt(step));
  const out = [...x!.data].map((value, i) => {
    const draw = Number(mix(key ^ mix(BigInt(i) + gamma32))) / 2 ** 32;
    return draw >= rate ? value / (1 - rate) : 0;
  });
  return { out };
}

/** The naive form of these ops by name. */
export const NAIVE_LOSSES: Readonly<Record<string, (inputs: Inputs, params: any) => Outputs>> = {
  squared_error: (inputs) => {
    const error = (row: number, target: number) => (inputs.predictions!.data[row]! - target) ** 2;
    const { loss, total } = mean(inputs, error);
    return { loss, total };
  },
  quantile_loss: quantile,
  gaussian_loss: gaussian,
  gaussian_crps: gaussianCrps,
  student_t_loss: studentT,
  cross_entropy: crossEntropy,
  embedding,
  pool,
  dropout,
};
