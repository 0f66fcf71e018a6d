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
export function at(tensor: Tensor, ...index: number[]): number {
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
        const place = params.variant === "logs" ? [b, k, n] : [n];
        const a: Complex = [at(A!, ...place, 0), at(A!, ...place, 1)];
        const turned = [Math.cos(a[1]), Math.sin(a[1])].map((part) => Math.exp(a[0]) * part);
        const given = params.variant === "logs" ? turned as Complex : a;
        const mode = dt
          ? modeOf(a, at(dt, b, k, n), params.discretization === "bilinear")
          : { Abar: given, factor: [1, 0] as Complex };
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

function mimoSystem({ logDt, lambdaRe, lambdaIm, B }: Inputs, params: any): Outputs {
  const [modes, feature] = B!.shape as [number, number, number];
  const Abar: number[] = [];
  const Bbar: number[] = [];
  for (let n = 0; n < modes; n++) {
    const clipped = Math.min(at(lambdaRe!, n), -(params.decayMin ?? -Infinity));
    const lambda: Complex = [clipped, at(lambdaIm!, n)];
    const { Abar: a, factor } = params.method === "continuous"
      ? { Abar: lambda, factor: [1, 0] as Complex }
      : modeOf(lambda, Math.exp(at(logDt!, n)), params.method === "bilinear");
    const row = Array.from(
      { length: feature },
      (_, d) => times(factor, [at(B!, n, d, 0), at(B!, n, d, 1)]),
    );
    Abar.push(...a);
    Bbar.push(...row.map(([re]) => re), ...row.map(([, im]) => im));
  }
  return { Abar, Bbar };
}

/** Rows of features as heads of a size. */
function* headRows(shape: readonly number[], size: number) {
  const feature = shape.at(-1)!;
  const rows = shape.slice(0, -1).reduce((a, b) => a * b, 1);
  for (let row = 0; row < rows; row++) yield { row: row * feature, head: feature / size };
}

function outer({ a, b }: Inputs, { size }: any): Outputs {
  const out: number[] = [];
  for (const { row, head } of headRows(a!.shape, size)) {
    for (let h = 0; h < head; h++) {
      const part = (x: Tensor) => [...x.data.slice(row + h * size, row + (h + 1) * size)];
      for (const left of part(a!)) out.push(...part(b!).map((right) => left * right));
    }
  }
  return { out };
}

function contract({ q, s }: Inputs, { size }: any): Outputs {
  const out: number[] = [];
  for (const { row, head } of headRows(q!.shape, size)) {
    for (let j = 0; j < size; j++) {
      for (let h = 0; h < head; h++) {
        const rows = Array.from({ length: size }, (_, i) => row + h * size + i);
        out.push(rows.reduce((sum, f) => sum + q!.data[f]! * s!.data[f * size + j]!, 0));
      }
    }
  }
  return { out };
}

/** The answers of the delay line itself to an impulse, run step by step. */
function shiftTaps({ B, C, D }: Inputs): Outputs {
  const [feature, state] = B!.shape as [number, number];
  const weight: number[] = [];
  for (let d = 0; d < feature; d++) {
    let x = Array.from({ length: state }, (_, n) => at(B!, d, n));
    const answers: number[] = [];
    for (let lag = 0; lag < state; lag++) {
      const skip = D && lag === 0 ? at(D, d) : 0;
      answers.unshift(x.reduce((sum, value, n) => sum + value * at(C!, d, n), skip));
      x = [0, ...x.slice(0, -1)];
    }
    weight.push(...answers);
  }
  return { weight };
}

/** A in the full basis of modes and conjugates, with B and a row for each of C.  */
function fullSystem({ lambda, P, B, C }: Inputs, d: number) {
  const [, rank, half] = P!.shape as [number, number, number];
  const size = 2 * half;
  const value = (tensor: Tensor, n: number, ...before: number[]): Complex => {
    const mode = n % half;
    const sign = n < half ? 1 : -1;
    return [at(tensor, d, ...before, mode, 0), sign * at(tensor, d, ...before, mode, 1)];
  };
  const A = Array.from({ length: size }, (_, i) =>
    Array.from({ length: size }, (_, j): Complex => {
      let entry: Complex = i === j ? value(lambda!, i) : [0, 0];
      for (let r = 0; r < rank; r++) {
        const [re, im] = value(P!, j, r);
        const outer = times(value(P!, i, r), [re, -im]);
        entry = [entry[0] - outer[0], entry[1] - outer[1]];
      }
      return entry;
    }));
  const vector = (tensor: Tensor) => Array.from({ length: size }, (_, n) => value(tensor, n));
  return { A, B: vector(B!), C: vector(C!), size };
}

/**
 * The columns of (I − dt/2·A)⁻¹ by Gauss and Jordan's elimination, without pivots: the diagonal is
 * well away from 0.
 */
function implicitColumns(A: Complex[][], dt: number): Complex[][] {
  const size = A.length;
  const width = 2 * size;
  const re = new Float64Array(size * width);
  const im = new Float64Array(size * width);
  A.forEach((row, i) => {
    row.forEach((entry, j) => {
      re[i * width + j] = (i === j ? 1 : 0) - dt / 2 * entry[0];
      im[i * width + j] = -dt / 2 * entry[1];
    });
    re[i * width + size + i] = 1;
  });
  for (let k = 0; k < size; k++) {
    const [pivotRe, pivotIm] = over([1, 0], [re[k * width + k]!, im[k * width + k]!]);
    for (let j = 0; j < width; j++) {
      const [a, b] = [re[k * width + j]!, im[k * width + j]!];
      re[k * width + j] = a * pivotRe - b * pivotIm;
      im[k * width + j] = a * pivotIm + b * pivotRe;
    }
    for (let i = 0; i < size; i++) {
      if (i === k) continue;
      const [a, b] = [re[i * width + k]!, im[i * width + k]!];
      for (let j = 0; j < width; j++) {
        re[i * width + j]! -= a * re[k * width + j]! - b * im[k * width + j]!;
        im[i * width + j]! -= a * im[k * width + j]! + b * re[k * width + j]!;
      }
    }
  }
  return A.map((_, j) =>
    A.map((_, i): Complex => [re[i * width + size + j]!, im[i * width + size + j]!])
  );
}

/** A matrix by its columns times a vector. */
function timesColumns(columns: Complex[][], x: Complex[]): Complex[] {
  return x.map((_, i) =>
    columns.reduce((sum: Complex, column, j) => {
      const part = times(column[i]!, x[j]!);
      return [sum[0] + part[0], sum[1] + part[1]];
    }, [0, 0])
  );
}

/** (I + dt/2·A)·x + dt·B·u. */
function explicit(system: ReturnType<typeof fullSystem>, dt: number, x: Complex[], u: number) {
  return x.map((value, i): Complex => {
    let [re, im] = value;
    system.A[i]!.forEach((entry, j) => {
      const part = times(entry, x[j]!);
      re += dt / 2 * part[0];
      im += dt / 2 * part[1];
    });
    return [re + dt * u * system.B[i]![0], im + dt * u * system.B[i]![1]];
  });
}

const realDot = (a: Complex[], b: Complex[]) =>
  a.reduce((sum, value, n) => sum + times(value, b[n]!)[0], 0);

/** x ↦ Abar·x + Bbar·u of a full system: the explicit half of a step, then the implicit one. */
function stepper(system: ReturnType<typeof fullSystem>, dt: number) {
  const columns = implicitColumns(system.A, dt);
  return (x: Complex[], u: number) => timesColumns(columns, explicit(system, dt, x, u));
}

function dplrScan(inputs: Inputs): Outputs {
  const { u, P, dt, D, x0 } = inputs;
  const [batch, length, feature] = u!.shape as [number, number, number];
  const half = P!.shape[2]!;
  const y = new Array<number>(u!.data.length).fill(NaN);
  const state: number[] = [];
  for (let b = 0; b < batch; b++) {
    for (let d = 0; d < feature; d++) {
      const system = fullSystem(inputs, d);
      const fixed = dt!.shape.length === 1 ? stepper(system, at(dt!, d)) : undefined;
      let x = Array.from({ length: system.size }, (_, n): Complex => {
        if (!x0) return [0, 0];
        const sign = n < half ? 1 : -1;
        return [at(x0, b, d, n % half, 0), sign * at(x0, b, d, n % half, 1)];
      });
      for (let k = 0; k < length; k++) {
        const sample = at(u!, b, k, d);
        x = (fixed ?? stepper(system, at(dt!, b, k, d)))(x, sample);
        const skip = D ? D.data[d]! * at(u!, b, k, d) : 0;
        y[(b * length + k) * feature + d] = realDot(system.C, x) + skip;
      }
      state.push(...x.slice(0, half).flat());
    }
  }
  return { y, state };
}

/** The response of Ctilde folded over the length, which is that of C = Ctilde·(I − Abar^length)⁻¹. */
function dplrKernel(inputs: Inputs, { length, damping = 0 }: any): Outputs {
  const feature = inputs.P!.shape[0]!;
  const kernel: number[] = [];
  for (let d = 0; d < feature; d++) {
    const dt = inputs.dt!.data[d]!;
    const system = fullSystem(inputs, d);
    const step = stepper(system, dt);
    // kernel[l] = Σ_m Ctilde·(exp(−damping)·Abar^length)^m·Abar^l·Bbar.
    let x = system.B.map((): Complex => [0, 0]);
    const taps = new Array<number>(length).fill(0);
    const folds = Math.ceil(20_000 / length);
    for (let k = 0; k < folds * length; k++) {
      x = step(x, k === 0 ? 1 : 0);
      taps[k % length]! += realDot(system.C, x) * Math.exp(-damping * Math.floor(k / length));
      if (x.every(([re, im]) => Math.hypot(re, im) < 1e-18)) break;
    }
    kernel.push(...taps);
  }
  return { kernel };
}

/** C − C·Abar^length, the power by repeated steps of every unit vector. */
function dplrTruncate(inputs: Inputs, { length, damping = 0 }: any): Outputs {
  const [feature, , half] = inputs.P!.shape as [number, number, number];
  const Ctilde: number[] = [];
  for (let d = 0; d < feature; d++) {
    const dt = inputs.dt!.data[d]!;
    const system = fullSystem({ ...inputs, B: inputs.C! }, d);
    const step = stepper(system, dt);
    for (let n = 0; n < half; n++) {
      let x = system.C.map((_, i): Complex => [i === n ? 1 : 0, 0]);
      for (let k = 0; k < length; k++) x = step(x, 0);
      const [re, im] = system.C[n]!;
      const after = x.map((value, i) => times(system.C[i]!, value));
      Ctilde.push(
        after.reduce((sum, value) => sum - Math.exp(-damping) * value[0], re),
        after.reduce((sum, value) => sum - Math.exp(-damping) * value[1], im),
      );
    }
  }
  return { Ctilde };
}

function denseScan({ u, A, B, C, D, x0 }: Inputs): Outputs {
  const [batch, length, feature] = u!.shape as [number, number, number];
  const [, channel, states] = C!.shape as [number, number, number];
  const range = Array.from({ length: states }, (_, n) => n);
  const y = new Array<number>(batch * length * feature * channel).fill(NaN);
  const state: number[] = [];
  for (let b = 0; b < batch; b++) {
    for (let d = 0; d < feature; d++) {
      let x = range.map((n) => x0 ? at(x0, b, d, n) : 0);
      for (let k = 0; k < length; k++) {
        const of = A!.shape.length === 3 ? [d] : [b, k, d];
        const input = at(u!, b, k, d);
        x = range.map((i) =>
          range.reduce((sum, j) => sum + at(A!, ...of, i, j) * x[j]!, at(B!, ...of, i) * input)
        );
        for (let m = 0; m < channel; m++) {
          const skip = D ? at(D, d, m) * input : 0;
          const sum = range.reduce((total, n) => total + at(C!, d, m, n) * x[n]!, skip);
          y[((b * length + k) * feature + d) * channel + m] = sum;
        }
      }
      state.push(...x);
    }
  }
  return { y, state };
}

function attention({ q, k, v, keys0, values0, seen0 }: Inputs, params: any): Outputs {
  const [batch, length, head, size] = q!.shape as [number, number, number, number];
  const group = k!.shape[2]!;
  const past = params.window - 1;
  const scale = params.scale ?? 1 / Math.sqrt(size);
  const out: Record<"y" | "keys" | "values" | "seen", number[]> = {
    y: new Array<number>(q!.data.length).fill(NaN),
    keys: [],
    values: [],
    seen: [],
  };
  /** A row turned to its position, as complex numbers with neighbours as the two parts. */
  const turned = (row: number[], position: number) => {
    if (params.rotaryBase === undefined) return row;
    return row.flatMap((_, s) => {
      if (s % 2 === 1) return [];
      const angle = position * params.rotaryBase ** (-s / size);
      return times([row[s]!, row[s + 1]!], [Math.cos(angle), Math.sin(angle)]);
    });
  };
  for (let b = 0; b < batch; b++) {
    const before = seen0 ? at(seen0, b) : 0;
    const row = (now: Tensor, then: Tensor | undefined, j: number, g: number) =>
      Array.from({ length: size }, (_, s) => {
        if (j >= 0) return at(now, b, j, g, s);
        return then ? at(then, b, past + j, g, s) : 0;
      });
    for (let h = 0; h < head; h++) {
      const g = Math.floor(h / (head / group));
      for (let i = 0; i < length; i++) {
        const query = turned(row(q!, undefined, i, h), i);
        const seen: number[] = [];
        for (let j = i - past; j <= i; j++) if (j >= -before) seen.push(j);
        const scores = seen.map((j) => {
          const key = turned(row(k!, keys0, j, g), j);
          return scale * key.reduce((sum, value, s) => sum + value * query[s]!, 0);
        });
        const total = scores.reduce((sum, score) => sum + Math.exp(score), 0);
        for (let s = 0; s < size; s++) {
          const sum = seen.reduce(
            (all, j, n) => all + Math.exp(scores[n]!) / total * row(v!, values0, j, g)[s]!,
            0,
          );
          out.y[((b * length + i) * head + h) * size + s] = sum;
        }
      }
    }
    for (let j = length - past; j < length; j++) {
      for (let g = 0; g < group; g++) {
        out.keys.push(...row(k!, keys0, j, g));
        out.values.push(...row(v!, values0, j, g));
      }
    }
    out.seen.push(Math.min(before + length, past));
  }
  return out;
}

/** By name of the op. */
export const NAIVE_FAMILY: Readonly<Record<string, (inputs: Inputs, params: any) => Outputs>> = {
  attention,
  contract,
  dense_scan: denseScan,
  diagonal_scan: diagonalScan,
  dplr_kernel: dplrKernel,
  dplr_scan: dplrScan,
  dplr_truncate: dplrTruncate,
  mimo_system: mimoSystem,
  outer,
  shift_taps: shiftTaps,
  ssd,
};
