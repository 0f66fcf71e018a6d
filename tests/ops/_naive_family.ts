/** The ops of single members of the family as the plainest loops; see `_naive.ts`. */
import type { Tensor } from "../../src/tensor/tensor.ts";

type Inputs = Record<string, Tensor>;
type Outputs = Record<string, number[]>;

type Complex = [re: number, im: number];
const times = (a: Complex, b: Complex): Complex => [
  a[0] * b[0] - a[1] * b[1],
  a[0] * b[1] + a[1] * b[0],
];
const over = (a: Complex, b: Complex): Complex => {
  const norm = b[0] * b[0] + b[1] * b[1];
  return times(a, [b[0] / norm, -b[1] / norm]);
};

/** An element by its indices. */
function at(tensor: Tensor, ...index: number[]): number {
  return tensor.data[tensor.shape.reduce((sum, size, axis) => sum * size + index[axis]!, 0)]!;
}

function ssd({ u, delta, A, B, C, D, x0 }: Inputs): Outputs {
  const [batch, length, head, feature] = u!.shape as [number, number, number, number];
  const [, , group, states] = B!.shape as [number, number, number, number];
  const y = new Array<number>(u!.data.length).fill(NaN);
  const state: number[] = [];
  for (let b = 0; b < batch; b++) {
    for (let h = 0; h < head; h++) {
      const g = Math.floor(h / (head / group));
      for (let p = 0; p < feature; p++) {
        const x = Array.from({ length: states }, (_, n) => x0 ? at(x0, b, h, p, n) : 0);
        for (let k = 0; k < length; k++) {
          const dt = at(delta!, b, k, h);
          const input = at(u!, b, k, h, p);
          let sum = D ? D.data[h]! * input : 0;
          for (let n = 0; n < states; n++) {
            const decay = Math.exp(A ? dt * A.data[h]! : dt);
            x[n] = decay * x[n]! + (A ? dt : 1) * input * at(B!, b, k, g, n);
            sum += at(C!, b, k, g, n) * x[n]!;
          }
          y[((b * length + k) * head + h) * feature + p] = sum;
        }
        state.push(...x);
      }
    }
  }
  return { y, state };
}

/** Abar and (Abar − 1)/lambda, or their bilinear forms, by complex arithmetic spelled out. */
function modeOf(
  lambda: Complex,
  dt: number,
  bilinear: boolean,
): { Abar: Complex; factor: Complex } {
  const z = times(lambda, [dt, 0]);
  if (bilinear) {
    const below: Complex = [1 - z[0] / 2, -z[1] / 2];
    return { Abar: over([1 + z[0] / 2, z[1] / 2], below), factor: over([dt, 0], below) };
  }
  // (exp(z) − 1)/z by its series near 0, where the quotient would cancel.
  let term: Complex = [1, 0];
  let series: Complex = [1, 0];
  for (let n = 2; n < 60; n++) {
    term = times(term, [z[0] / n, z[1] / n]);
    series = [series[0] + term[0], series[1] + term[1]];
  }
  const growth = Math.exp(z[0]);
  const Abar: Complex = [growth * Math.cos(z[1]), growth * Math.sin(z[1])];
  const far = Math.hypot(...z) > 2;
  return { Abar, factor: far ? over([Abar[0] - 1, Abar[1]], lambda) : times(series, [dt, 0]) };
}

function diagonalScan({ v, A, dt, x0 }: Inputs, params: any): Outputs {
  const [batch, length, states] = v!.shape as [number, number, number];
  const x = new Array<number>(v!.data.length).fill(NaN);
  const state: number[] = [];
  for (let b = 0; b < batch; b++) {
    for (let n = 0; n < states; n++) {
      let value: Complex = x0 ? [at(x0, b, n, 0), at(x0, b, n, 1)] : [0, 0];
      const order = Array.from({ length }, (_, k) => params.reverse ? length - 1 - k : k);
      for (const k of order) {
        const a: Complex = [at(A!, n, 0), at(A!, n, 1)];
        const mode = dt
          ? modeOf(a, at(dt, b, k, n), params.discretization === "bilinear")
          : { Abar: a, factor: [1, 0] as Complex };
        const kept = times(mode.Abar, value);
        const added = times(mode.factor, [at(v!, b, k, n, 0), at(v!, b, k, n, 1)]);
        value = [kept[0] + added[0], kept[1] + added[1]];
        x.splice(((b * length + k) * states + n) * 2, 2, ...value);
      }
      state.push(...value);
    }
  }
  return { x, state };
}

/** By name of the op. */
export const NAIVE_FAMILY: Readonly<Record<string, (inputs: Inputs, params: any) => Outputs>> = {
  diagonal_scan: diagonalScan,
  ssd,
};
