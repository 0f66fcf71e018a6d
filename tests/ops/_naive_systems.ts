/** The ops between a layer's parameters and its systems as the plainest loops; see `_naive.ts`. */
import type { Tensor } from "../../src/tensor/tensor.ts";
import { at } from "./_naive_family.ts";

type Inputs = Record<string, Tensor>;
type Outputs = Record<string, number[]>;

function emaSystem({ alpha, delta, beta }: Inputs, { form }: any): Outputs {
  const out = { A: [] as number[], B: [] as number[] };
  alpha!.data.forEach((_, i) => {
    // Half angles: σ(x) = (1 + tanh(x/2))/2, and 1 − σ·σ' without a cancelling difference.
    const share = (x: Tensor) => (1 + Math.tanh(x.data[i]! / 2)) / 2;
    const [a, d] = [share(alpha!), share(delta!)];
    const kept = 1 / (1 + Math.exp(alpha!.data[i]!)) + a / (1 + Math.exp(delta!.data[i]!));
    const lambda = Math.log1p(-a * d);
    out.A.push(form === "discrete" ? kept : lambda, 0);
    out.B.push(a * beta!.data[i]! * (form === "discrete" ? 1 : lambda / (-a * d)), 0);
  });
  return out;
}

function carryPast({ u, x0 }: Inputs, { past }: any): Outputs {
  const [batch, length, feature] = u!.shape as [number, number, number];
  const out = { joined: [] as number[], state: [] as number[] };
  for (let b = 0; b < batch; b++) {
    const rows = Array.from({ length: feature }, (_, d) => {
      const before = Array.from({ length: past }, (_, j) => x0 ? at(x0, b, d, j) : 0);
      return [...before, ...Array.from({ length }, (_, k) => at(u!, b, k, d))];
    });
    for (let j = 0; j < past + length; j++) out.joined.push(...rows.map((row) => row[j]!));
    for (const row of rows) out.state.push(...row.slice(length));
  }
  return out;
}

function poles({ logDecay, frequency }: Inputs): Outputs {
  const lambda = [...logDecay!.data].flatMap((log, i) => [-Math.exp(log), frequency!.data[i]!]);
  return { lambda };
}

function stepSizes({ logDt, scale }: Inputs): Outputs {
  const rows = scale ? [...scale.data] : [1];
  return { dt: rows.flatMap((row) => [...logDt!.data].map((log) => row * Math.exp(log))) };
}

type Matrix = number[][];

const product = (a: Matrix, b: Matrix): Matrix =>
  a.map((row) => b[0]!.map((_, j) => row.reduce((sum, value, k) => sum + value * b[k]![j]!, 0)));

/** A matrix's inverse by Gauss and Jordan's elimination with the largest pivot of each column. */
function inverse(matrix: Matrix): Matrix {
  const size = matrix.length;
  const rows = matrix.map((row, i) => [...row, ...row.map((_, j) => i === j ? 1 : 0)]);
  for (let k = 0; k < size; k++) {
    let best = k;
    for (let i = k; i < size; i++) {
      if (Math.abs(rows[i]![k]!) > Math.abs(rows[best]![k]!)) best = i;
    }
    [rows[k], rows[best]] = [rows[best]!, rows[k]!];
    rows[k] = rows[k]!.map((value) => value / rows[k]![k]!);
    rows.forEach((row, i) => {
      if (i !== k) rows[i] = row.map((value, j) => value - row[k]! * rows[k]![j]!);
    });
  }
  return rows.map((row) => row.slice(size));
}

/** exp of a matrix by its series at a 2^-12th, squared twelve times as exp − 1. */
function exponential(matrix: Matrix): Matrix {
  const scaled = matrix.map((row) => row.map((value) => value / 4096));
  let term = scaled;
  let less = scaled;
  for (let m = 2; m < 20; m++) {
    term = product(term, scaled).map((row) => row.map((value) => value / m));
    less = less.map((row, i) => row.map((value, j) => value + term[i]![j]!));
  }
  for (let s = 0; s < 12; s++) {
    const square = product(less, less);
    less = less.map((row, i) => row.map((value, j) => 2 * value + square[i]![j]!));
  }
  return less.map((row, i) => row.map((value, j) => value + (i === j ? 1 : 0)));
}

function discretizeDense({ A, B, dt }: Inputs, { method, alpha }: any): Outputs {
  const size = B!.data.length;
  const range = Array.from({ length: size }, (_, i) => i);
  const out = { Abar: [] as number[], Bbar: [] as number[] };
  for (const step of dt!.data) {
    const at = (i: number, j: number) => step * A!.data[i * size + j]!;
    const one = (i: number, j: number) => i === j ? 1 : 0;
    if (method === "zoh") {
      const rows = range.map((i) => [...range.map((j) => at(i, j)), step * B!.data[i]!]);
      const whole = exponential([...rows, Array.from({ length: size + 1 }, () => 0)]);
      range.forEach((i) => out.Abar.push(...whole[i]!.slice(0, size)));
      range.forEach((i) => out.Bbar.push(whole[i]![size]!));
      continue;
    }
    const left = inverse(range.map((i) => range.map((j) => one(i, j) - alpha * at(i, j))));
    const right = range.map((i) => range.map((j) => one(i, j) + (1 - alpha) * at(i, j)));
    out.Abar.push(...product(left, right).flat());
    out.Bbar.push(...product(left, range.map((i) => [step * B!.data[i]!])).flat());
  }
  return out;
}

/** By name of the op. */
export const NAIVE_SYSTEMS: Readonly<Record<string, (inputs: Inputs, params: any) => Outputs>> = {
  discretize_dense: discretizeDense,
  carry_past: carryPast,
  ema_system: emaSystem,
  poles,
  step_sizes: stepSizes,
};
