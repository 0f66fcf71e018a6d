/**
 * State-space duality as pure functions: one sequence map in three forms.
 *
 *   recurrence   x[k] = exp(a[k])·x[k−1] + w[k]·u[k]⊗B[k],   y[k] = x[k]·C[k] + D·u[k]
 *   chunked      pairs of samples inside a chunk, a state between chunks
 *   quadratic    y = (L ∘ C·Bᵀ)·(w·u) + exp(a[1] + … + a[k])·x0·C[k] + D·u
 *
 * with L[k, j] = exp(a[j+1] + … + a[k]) for j ≤ k, else 0: attention without softmax under a mask
 * of decays. a is delta·A and w is delta; without `A` the inputs are discrete already: a is delta
 * and w is 1. Group g of B and C serves the heads g·head/group … (g+1)·head/group − 1.
 *
 * Dao and Gu, "Transformers are SSMs" (arXiv 2405.21060): recurrence in eq. 1 and 2, quadratic form
 * (structured masked attention, 1-semiseparable mask) in sections 4 and 5, chunks in section 6.
 * Over a length T, with P features a head and N states, the recurrence costs O(T·P·N), the
 * quadratic form O(T²·(P + N)), chunks of Q samples O(T·(Q·(P + N) + P·N)).
 */
import { LimitError } from "../base/errors.ts";
import type { FloatArray } from "../tensor/tensor.ts";

/** Sizes of a call. */
export interface SsdSizes {
  readonly batch: number;
  readonly length: number;
  readonly head: number;
  /** Features of a head. */
  readonly feature: number;
  /** Groups of heads that share B and C, a divisor of `head`. */
  readonly group: number;
  readonly state: number;
}

/** What the forms read. */
export interface SsdInputs {
  /** Input.                                                [batch, length, head, feature] */
  readonly u: FloatArray;
  /** Step sizes, or without `A` logarithms of decays.                [batch, length, head] */
  readonly delta: FloatArray;
  /** Input and output matrix.                                [batch, length, group, state] */
  readonly B: FloatArray;
  readonly C: FloatArray;
  /** Transition, < 0.                                                               [head] */
  readonly A?: FloatArray | undefined;
  /** Skip, 0 if left out.                                                           [head] */
  readonly D?: FloatArray | undefined;
  /** Carried state, 0 if left out.                           [batch, head, feature, state] */
  readonly x0?: FloatArray | undefined;
}

/** What they fill. */
export interface SsdOutputs {
  /**                                                        [batch, length, head, feature] */
  readonly y: FloatArray;
  /** State after the last sample.                            [batch, head, feature, state] */
  readonly state: FloatArray;
}

/** Longest sequence of the quadratic form, whose mask takes 8·length² bytes. */
export const SSD_QUADRATIC_LENGTH_MAX = 8192;

/** A run of samples of one head of one row. */
interface Place {
  readonly b: number;
  readonly h: number;
  readonly start: number;
  readonly steps: number;
}

/** Logarithm of the decay and weight of the input of a sample. */
function rateOf({ delta, A }: SsdInputs, sizes: SsdSizes, { b, h }: Place, k: number) {
  const dt = delta[(b * sizes.length + k) * sizes.head + h]!;
  return A ? { log: dt * A[h]!, weight: dt } : { log: dt, weight: 1 };
}

/** Where the row of B and C of a sample begins. */
function rowOf(sizes: SsdSizes, { b, h }: Place, k: number): number {
  const g = Math.floor(h * sizes.group / sizes.head);
  return ((b * sizes.length + k) * sizes.group + g) * sizes.state;
}

function inputAt(sizes: SsdSizes, { b, h }: Place, k: number): number {
  return ((b * sizes.length + k) * sizes.head + h) * sizes.feature;
}

/** Calls with the state before the first sample of every head; writes the state that is left. */
function forEachHead(
  outputs: SsdOutputs,
  inputs: SsdInputs,
  sizes: SsdSizes,
  advance: (x: Float64Array, b: number, h: number) => void,
): void {
  const width = sizes.feature * sizes.state;
  const x = new Float64Array(width);
  for (let b = 0; b < sizes.batch; b++) {
    for (let h = 0; h < sizes.head; h++) {
      const carried = (b * sizes.head + h) * width;
      for (let i = 0; i < width; i++) x[i] = inputs.x0 ? inputs.x0[carried + i]! : 0;
      advance(x, b, h);
      outputs.state.set(x, carried);
    }
  }
}

/** The recurrence, one sample after another. */
export function ssdRecurrenceInto(outputs: SsdOutputs, inputs: SsdInputs, sizes: SsdSizes): void {
  forEachHead(outputs, inputs, sizes, (x, b, h) => {
    for (let start = 0; start < sizes.length; start++) {
      stepInto(x, outputs.y, inputs, sizes, { b, h, start, steps: 1 });
    }
  });
}

/**
 * The chunked form: pairs of samples inside a chunk, a state between chunks. Sums of logarithms run
 * from j to k, so no difference of large sums is taken.
 *
 * @param chunk samples of a chunk, at least 1; 1 is the recurrence
 */
export function ssdChunkedInto(
  outputs: SsdOutputs,
  inputs: SsdInputs,
  sizes: SsdSizes,
  chunk: number,
): void {
  forEachHead(outputs, inputs, sizes, (x, b, h) => {
    for (let start = 0; start < sizes.length; start += chunk) {
      const steps = Math.min(chunk, sizes.length - start);
      const place = { b, h, start, steps };
      if (steps === 1) stepInto(x, outputs.y, inputs, sizes, place);
      else chunkInto(x, outputs.y, inputs, sizes, place);
    }
  });
}

/** One sample of the recurrence. */
function stepInto(
  x: Float64Array,
  y: FloatArray,
  inputs: SsdInputs,
  sizes: SsdSizes,
  place: Place,
): void {
  const { feature, state } = sizes;
  const { u, B, C, D } = inputs;
  const { log, weight } = rateOf(inputs, sizes, place, place.start);
  const decay = Math.exp(log);
  const row = rowOf(sizes, place, place.start);
  const at = inputAt(sizes, place, place.start);
  for (let p = 0; p < feature; p++) {
    const input = weight * u[at + p]!;
    let sum = D ? D[place.h]! * u[at + p]! : 0;
    for (let n = 0; n < state; n++) {
      const next = decay * x[p * state + n]! + input * B[row + n]!;
      x[p * state + n] = next;
      sum += C[row + n]! * next;
    }
    y[at + p] = sum;
  }
}

/** A chunk by its pairs of samples, from the state before it to the state after it. */
function chunkInto(
  x: Float64Array,
  y: FloatArray,
  inputs: SsdInputs,
  sizes: SsdSizes,
  place: Place,
): void {
  const { feature, state } = sizes;
  const { u, B, C, D } = inputs;
  const { start, steps } = place;
  const rates = Array.from({ length: steps }, (_, k) => rateOf(inputs, sizes, place, start + k));
  const sums = new Float64Array(feature);
  for (let k = 0; k < steps; k++) {
    const at = inputAt(sizes, place, start + k);
    const rowC = rowOf(sizes, place, start + k);
    for (let p = 0; p < feature; p++) sums[p] = D ? D[place.h]! * u[at + p]! : 0;
    let log = 0;
    for (let j = k; j >= 0; j--) {
      const rowB = rowOf(sizes, place, start + j);
      let score = 0;
      for (let n = 0; n < state; n++) score += C[rowC + n]! * B[rowB + n]!;
      const weight = Math.exp(log) * score * rates[j]!.weight;
      const from = inputAt(sizes, place, start + j);
      for (let p = 0; p < feature; p++) sums[p] = sums[p]! + weight * u[from + p]!;
      log += rates[j]!.log;
    }
    const lead = Math.exp(log);
    for (let p = 0; p < feature; p++) {
      let carried = 0;
      for (let n = 0; n < state; n++) carried += C[rowC + n]! * x[p * state + n]!;
      y[at + p] = sums[p]! + lead * carried;
    }
  }
  endInto(x, inputs, sizes, place, rates);
}

/** The state after a chunk from the state before it. */
function endInto(
  x: Float64Array,
  { u, B }: SsdInputs,
  sizes: SsdSizes,
  place: Place,
  rates: readonly { log: number; weight: number }[],
): void {
  const { feature, state } = sizes;
  const end = new Float64Array(x.length);
  let log = 0;
  for (let k = place.steps - 1; k >= 0; k--) {
    const tail = Math.exp(log) * rates[k]!.weight;
    const at = inputAt(sizes, place, place.start + k);
    const row = rowOf(sizes, place, place.start + k);
    for (let p = 0; p < feature; p++) {
      const input = tail * u[at + p]!;
      for (let n = 0; n < state; n++) {
        end[p * state + n] = end[p * state + n]! + input * B[row + n]!;
      }
    }
    log += rates[k]!.log;
  }
  const decay = Math.exp(log);
  for (let i = 0; i < x.length; i++) x[i] = decay * x[i]! + end[i]!;
}

/**
 * The quadratic form: for every head the whole matrix L ∘ C·Bᵀ is written down and multiplied by
 * the inputs. It is the definition as attention, for short sequences and for comparison.
 *
 * @throws {LimitError} the length is above {@linkcode SSD_QUADRATIC_LENGTH_MAX}
 */
export function ssdQuadraticInto(outputs: SsdOutputs, inputs: SsdInputs, sizes: SsdSizes): void {
  const { length, feature, state } = sizes;
  if (length > SSD_QUADRATIC_LENGTH_MAX) {
    throw new LimitError("ssdQuadraticLengthMax", SSD_QUADRATIC_LENGTH_MAX, length, "length");
  }
  const { u, B, C, D } = inputs;
  const q = new Float64Array(length * state);
  const k = new Float64Array(length * state);
  const v = new Float64Array(length * feature);
  const logs = new Float64Array(length);
  const y = new Float64Array(length * feature);
  forEachHead(outputs, inputs, sizes, (x, b, h) => {
    const place = { b, h, start: 0, steps: length };
    const rates = Array.from({ length }, (_, i) => rateOf(inputs, sizes, place, i));
    for (let i = 0; i < length; i++) {
      const row = rowOf(sizes, place, i);
      const at = inputAt(sizes, place, i);
      q.set(C.subarray(row, row + state), i * state);
      k.set(B.subarray(row, row + state), i * state);
      for (let p = 0; p < feature; p++) v[i * feature + p] = rates[i]!.weight * u[at + p]!;
      logs[i] = rates[i]!.log;
    }
    maskedAttentionInto(y, { q, k, v, mask: decayMask(logs) }, { length, state, feature });
    let log = 0;
    for (let i = 0; i < length; i++) {
      log += logs[i]!;
      const lead = Math.exp(log);
      const at = inputAt(sizes, place, i);
      for (let p = 0; p < feature; p++) {
        let carried = 0;
        for (let n = 0; n < state; n++) carried += q[i * state + n]! * x[p * state + n]!;
        const skip = D ? D[h]! * u[at + p]! : 0;
        outputs.y[at + p] = y[i * feature + p]! + lead * carried + skip;
      }
    }
    endInto(x, inputs, sizes, place, rates);
  });
}

/**
 * The mask of decays, a 1-semiseparable matrix (paper, section 3.2.2).
 *
 *   L[i, j] = exp(a[j+1] + … + a[i]) for j ≤ i, else 0
 *
 * @param logs logarithms a of the decays                                       [length]
 * @returns                                                             [length, length]
 */
export function decayMask(logs: Float64Array): Float64Array {
  const { length } = logs;
  const mask = new Float64Array(length * length);
  for (let i = 0; i < length; i++) {
    let log = 0;
    for (let j = i; j >= 0; j--) {
      mask[i * length + j] = Math.exp(log);
      log += logs[j]!;
    }
  }
  return mask;
}

/** Operands of {@linkcode maskedAttentionInto}, for one head. */
export interface MaskedAttention {
  /** Queries and keys.                                                 [length, state] */
  readonly q: Float64Array;
  readonly k: Float64Array;
  /** Values.                                                         [length, feature] */
  readonly v: Float64Array;
  /** Lower triangular.                                                [length, length] */
  readonly mask: Float64Array;
}

/**
 * Masked attention without softmax (paper, section 4.3), which is linear attention for a mask of
 * ones, retention for γ^(i−j), and SSD for {@linkcode decayMask}.
 *
 *   y = (mask ∘ q·kᵀ)·v
 *
 * @param y                                                            [length, feature]
 */
export function maskedAttentionInto(
  y: Float64Array,
  { q, k, v, mask }: MaskedAttention,
  sizes: { readonly length: number; readonly state: number; readonly feature: number },
): void {
  const { length, state, feature } = sizes;
  y.fill(0);
  for (let i = 0; i < length; i++) {
    for (let j = 0; j <= i; j++) {
      let score = 0;
      for (let n = 0; n < state; n++) score += q[i * state + n]! * k[j * state + n]!;
      const weight = mask[i * length + j]! * score;
      for (let p = 0; p < feature; p++) {
        y[i * feature + p] = y[i * feature + p]! + weight * v[j * feature + p]!;
      }
    }
  }
}
