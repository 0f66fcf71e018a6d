/** Steps of many streams by their indices; see `_naive.ts`. */
import type { Tensor } from "../../src/tensor/tensor.ts";

type Inputs = Record<string, Tensor>;
type Outputs = Record<string, number[]>;

const silu = (x: number) => x / (1 + Math.exp(-x));
const softplus = (x: number) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));
const sum = (count: number, term: (i: number) => number) =>
  Array.from({ length: count }, (_, i) => term(i)).reduce((a, b) => a + b, 0);

/** next[slots[i]] = values[i] */
function putRows({ table, slots, values }: Inputs): Outputs {
  const [rows, width] = table!.shape as [number, number];
  const next = [...table!.data];
  slots!.data.forEach((slot, i) => {
    if (slot < 0 || slot >= rows) return;
    const from = i % values!.shape[0]!;
    next.splice(slot * width, width, ...values!.data.slice(from * width, (from + 1) * width));
  });
  return { next };
}

/** state_n ← exp(dt·A_n)·state_n + dt·B_n·u */
function selectiveStateUpdate(inputs: Inputs, params: { softplus: boolean }): Outputs {
  const { u, delta, A, B, C, state, D, z, deltaBias, slots } = inputs as Required<Inputs>;
  const [batch, feature] = u!.shape as [number, number];
  const [, group, states] = B!.shape as [number, number, number];
  const next = [...state!.data];
  const y: number[] = [];
  for (let b = 0; b < batch; b++) {
    const slot = slots?.data[b] ?? b;
    for (let d = 0; d < feature; d++) {
      const at = b * feature + d;
      if (slot < 0 || slot >= state!.shape[0]!) {
        y.push(0);
        continue;
      }
      const raw = delta!.data[at]! + (deltaBias?.data[d] ?? 0);
      const dt = params.softplus ? softplus(raw) : raw;
      const g = Math.floor(d * group / feature);
      const place = (n: number) => ((n >> 2) * feature + d) * 4 + (n & 3);
      const at0 = slot * states * feature;
      for (let n = 0; n < states; n++) {
        next[at0 + place(n)] = Math.exp(dt * A!.data[place(n)]!) * next[at0 + place(n)]! +
          dt * B!.data[(b * group + g) * states + n]! * u!.data[at]!;
      }
      const read = sum(
        states,
        (n) => C!.data[(b * group + g) * states + n]! * next[at0 + place(n)]!,
      );
      const whole = read + (D?.data[d] ?? 0) * u!.data[at]!;
      y.push(z ? whole * silu(z.data[at]!) : whole);
    }
  }
  return { y, next };
}

interface Block {
  readonly feature: number;
  readonly inner: number;
  readonly state: number;
  readonly width: number;
  readonly rank: number;
  readonly bias: boolean;
  readonly norm: boolean;
  readonly eps: number;
}

/** Matrices [column][input] from the packed weights, one after another in their order. */
function unpacked(weights: Tensor, block: Block): Record<string, number[][]> {
  const { feature, inner, state, width, rank, bias } = block;
  const ranks = 4 * Math.ceil(rank / 4);
  let at = 0;
  const take = (columns: number, count: number) => {
    const first = at;
    at += columns * 4 * Math.ceil(count / 4);
    return Array.from({ length: columns }, (_, c) =>
      Array.from(
        { length: count },
        (_, k) => weights.data[first + 4 * ((k >> 2) * columns + c) + (k & 3)]!,
      ));
  };
  return {
    inProj: take(2 * inner, feature),
    taps: take(inner, width),
    lane: take(inner, 4),
    dtProj: take(inner, rank),
    A: take(inner, state),
    xProj: take(ranks + 2 * state, inner),
    outProj: take(feature, inner),
    bias: bias ? take(inner, 4) : [],
    outBias: bias ? take(1, feature) : [],
  };
}

/** A Mamba block, one row after another. */
function mambaStep(
  { x, rows, weights, state, window }: Inputs,
  block: Block,
  kept = (value: number) => value,
): Outputs {
  const { feature, inner, width, norm, eps } = block;
  const ranks = 4 * Math.ceil(block.rank / 4);
  const W = unpacked(weights!, block);
  const [capacity] = state!.shape as [number];
  const nextState = Array.from(state!.data, kept);
  const nextWindow = [...window!.data];
  const out: number[] = [];
  const dot = (a: number[], b: number[]) => sum(b.length, (i) => a[i]! * b[i]!);
  for (let b = 0; b < x!.shape[0]!; b++) {
    const fields = rows!.shape[1]!;
    const [slot, oldest, elapsed] = [0, 1, 2].map((i) => rows!.data[b * fields + i]!) as [
      number,
      number,
      number,
    ];
    if (slot < 0 || slot >= capacity) {
      out.push(...new Array<number>(feature).fill(0));
      continue;
    }
    const own = [...x!.data.slice(b * feature, (b + 1) * feature)];
    const factor = norm ? 1 / Math.sqrt(dot(own, own) / feature + eps) : 1;
    const normed = own.map((value) => value * factor);
    const az = W["inProj"]!.map((w, c) =>
      dot(w, normed) + (W["bias"]![c % inner]?.[Math.floor(c / inner)] ?? 0)
    );
    const v = W["taps"]!.map((taps, d) => {
      const place = (j: number) => (slot * (width - 1) + (oldest + j) % (width - 1)) * inner + d;
      const past = sum(width - 1, (j) => taps[j]! * nextWindow[place(j)]!);
      const value = past + taps[width - 1]! * az[d]! + W["lane"]![d]![0]!;
      if (width > 1) nextWindow[place(0)] = az[d]!;
      return silu(value);
    });
    const selected = W["xProj"]!.map((w) => dot(w, v));
    const B = selected.slice(ranks, ranks + block.state);
    const C = selected.slice(ranks + block.state);
    const y = v.map((value, d) => {
      const dt = softplus(dot(selected, W["dtProj"]![d]!) + W["lane"]![d]![1]!) * elapsed;
      const place = (n: number) =>
        ((slot * (block.state / 4) + (n >> 2)) * inner + d) * 4 + (n & 3);
      const h = B.map((input, n) =>
        2 ** (dt * W["A"]![d]![n]!) * nextState[place(n)]! + dt * input * value
      );
      h.forEach((next, n) => nextState[place(n)] = kept(next));
      return (dot(C, h) + W["lane"]![d]![2]! * value) * silu(az[inner + d]!);
    });
    out.push(
      ...own.map((value, f) => value + dot(W["outProj"]![f]!, y) + (W["outBias"]![0]?.[f] ?? 0)),
    );
  }
  return { out, nextState, nextWindow };
}

const nearestHalf = (x: number) => Math.f16round(Math.max(-65_504, Math.min(65_504, x)));

/** The step ops by name. */
export const NAIVE_STEPS = {
  put_rows: putRows,
  selective_state_update: selectiveStateUpdate,
  mamba_step: (inputs: Inputs, block: Block) => mambaStep(inputs, block),
  mamba_step_half: (inputs: Inputs, block: Block) => mambaStep(inputs, block, nearestHalf),
};
