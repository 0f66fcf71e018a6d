/**
 * What an op must move and compute at least, counted from its shapes: the floors of the bench.
 *
 * Bytes are those of the tensors, each input read once and each output written once. Arithmetic is
 * counted by what a GPU issues: a fused multiply-add is one instruction and two FLOP, anything else
 * in f32 one and one, and a special function (exp2, log2, division, inverse root) one of its own
 * unit. Silu and softplus are two special functions each. The counts stand here and not with the
 * ops because only the bench reads them; a test holds the table to the hub.
 *
 * Counts of a backward are of what it computes from what it is given, states found again included.
 * Where an op has no line the bytes alone make its floor.
 */
import { type AnyOp, needsOf } from "../src/ops/op.ts";
import { type Shape, sizeOf } from "../src/tensor/shape.ts";

/** Bytes, fused multiply-adds, other f32 operations and special functions. */
export interface Cost {
  readonly bytes: number;
  readonly fused: number;
  readonly single: number;
  readonly special: number;
}

/** The op itself, or its gradients. */
export type Way = "forward" | "backward";

/** Arithmetic alone. */
export type Arithmetic = Partial<Omit<Cost, "bytes">>;

type Shapes = Readonly<Record<string, Shape>>;
type Count = (shapes: Shapes, params: any) => Arithmetic;

/** Floating point operations of a cost; a special function counts one. */
export function flopOf({ fused, single, special }: Cost): number {
  return 2 * fused + single + special;
}

/** Costs of work done one after the other. */
export function sumCosts(costs: readonly Cost[]): Cost {
  const sum = (part: keyof Cost) => costs.reduce((total, cost) => total + cost[part], 0);
  return {
    bytes: sum("bytes"),
    fused: sum("fused"),
    single: sum("single"),
    special: sum("special"),
  };
}

function times(count: number, { fused = 0, single = 0, special = 0 }: Arithmetic): Arithmetic {
  return { fused: count * fused, single: count * single, special: count * special };
}

function plus(a: Arithmetic, b: Arithmetic): Arithmetic {
  return {
    fused: (a.fused ?? 0) + (b.fused ?? 0),
    single: (a.single ?? 0) + (b.single ?? 0),
    special: (a.special ?? 0) + (b.special ?? 0),
  };
}

/** A count for each element of an input. */
function each(input: string, arithmetic: Arithmetic): Count {
  return (shapes) => times(sizeOf(shapes[input]!), arithmetic);
}

/** Multiply-adds of a matrix product, batched or not. */
function product(shapes: Shapes, { transposeA = false } = {}): number {
  const [a, b] = [shapes["a"]!, shapes["b"]!];
  const k = a[a.length - (transposeA ? 2 : 1)]!;
  const rows = sizeOf(a) / k;
  // A matrix b is shared by all rows of a; a batched one has a pair for each.
  const pairs = b.length === 2 ? 1 : sizeOf(b.slice(0, -2));
  return rows * sizeOf(b) / pairs;
}

/** Pairs of a query and a key that it sees, over batch and heads. */
function attentionPairs(shapes: Shapes, { window }: { window: number }): number {
  const [batch, length, head] = shapes["q"] as [number, number, number, number];
  const whole = Math.min(window, length);
  const seen = whole * (whole + 1) / 2 + (length - whole) * whole;
  return batch * head * seen;
}

/** The chunked form's products: scores, states, and outputs by states and by scores. */
function ssdProducts(shapes: Shapes, { chunk = 64 }: { chunk?: number }): number {
  const [batch, length, head, feature] = shapes["u"] as [number, number, number, number];
  const [group, state] = shapes["B"]!.slice(2) as [number, number];
  const block = Math.min(chunk, length);
  const scores = group * state * (block + 1) / 2;
  const perHead = 2 * state * feature + feature * (block + 1) / 2;
  return batch * length * (scores + head * perHead);
}

const GATE: Arithmetic = { special: 2, single: 2 };

/** Steps, softplus and gate of a selective scan, once a sample and feature. */
function selectiveEdges(shapes: Shapes, params: { softplus: boolean }): Arithmetic {
  const samples = sizeOf(shapes["u"]!);
  const special = (params.softplus ? 2 : 0) + (shapes["z"] ? 2 : 0);
  return times(samples, { special, single: 3, fused: shapes["D"] ? 1 : 0 });
}

function selectiveStates(shapes: Shapes): number {
  return sizeOf(shapes["u"]!) * shapes["A"]![1]!;
}

function linearStates(shapes: Shapes): number {
  return sizeOf(shapes["u"]!) * shapes["A"]![1]!;
}

/** The four projections of a Mamba block, its recurrence, and the functions round it. */
const mambaProducts: Count = ({ x }, { feature, inner, state, width, rank }) =>
  times(
    x![0]! * inner,
    plus(
      { fused: 3 * feature + 2 * rank + 2 * state + width, single: 3 },
      plus(times(state, { fused: 2, single: 2, special: 1 }), { special: 6 }),
    ),
  );

/** Arithmetic by op; `backward` where it is counted. */
export const ARITHMETIC: Readonly<Record<string, { forward?: Count; backward?: Count }>> = {
  activation: { forward: each("x", GATE), backward: each("x", { special: 2, single: 5 }) },
  adam: { forward: each("parameter", { fused: 5, single: 4, special: 2 }) },
  add: { forward: each("a", { single: 1 }), backward: each("a", {}) },
  add_rows: {
    forward: each("b", plus(GATE, { single: 1 })),
    backward: each("b", { special: 2, single: 7 }),
  },
  attention: {
    forward: (shapes, params) =>
      times(attentionPairs(shapes, params), { fused: 2 * shapes["q"]![3]!, special: 1, single: 2 }),
    // Scores again, then the products for dV, dP, dQ and dK.
    backward: (shapes, params) =>
      times(attentionPairs(shapes, params), { fused: 5 * shapes["q"]![3]!, special: 1, single: 3 }),
  },
  blend: { forward: each("a", { fused: 1, single: 1 }) },
  contract: {
    forward: each("s", { fused: 1 }),
    backward: each("s", { fused: 1, single: 1 }),
  },
  conv1d: {
    forward: (shapes, { activation }) =>
      times(
        sizeOf(shapes["u"]!),
        plus({ fused: shapes["weight"]![1]! }, activation === "silu" ? GATE : {}),
      ),
    backward: (shapes, { activation }) =>
      times(
        sizeOf(shapes["u"]!),
        plus({ fused: 3 * shapes["weight"]![1]! }, activation === "silu" ? GATE : {}),
      ),
  },
  cross_entropy: { forward: each("logits", { special: 1, single: 2 }) },
  diagonal_scan: {
    forward: each("v", { fused: 2 }),
    backward: each("v", { fused: 4 }),
  },
  dropout: { forward: each("x", { single: 1 }), backward: each("x", { single: 1 }) },
  gate: { forward: each("y", GATE), backward: each("y", { special: 2, single: 6 }) },
  layer_norm: {
    forward: each("x", { fused: 2, single: 2 }),
    backward: each("x", { fused: 4, single: 4 }),
  },
  // A·x and the input: two each for the real and the imaginary part, two for the output.
  linear_scan: {
    forward: (shapes) => times(linearStates(shapes), { fused: 6 }),
    backward: (shapes) => times(linearStates(shapes), { fused: 16 }),
  },
  mamba_step: { forward: mambaProducts },
  mamba_step_half: { forward: mambaProducts },
  matmul: {
    forward: (shapes, params) => ({ fused: product(shapes, params) }),
    backward: (shapes, params) => ({ fused: 2 * product(shapes, params) }),
  },
  norm_matmul: {
    forward: (shapes) => ({ fused: sizeOf(shapes["x"]!) * (shapes["b"]![0]! + 2) }),
    backward: (shapes) => ({ fused: sizeOf(shapes["x"]!) * (2 * shapes["b"]![0]! + 4) }),
  },
  outer: {
    forward: (shapes, { size }) => times(sizeOf(shapes["a"]!) * size, { single: 1 }),
    backward: (shapes, { size }) => times(sizeOf(shapes["a"]!) * size, { fused: 2 }),
  },
  quantile_loss: {
    forward: each("predictions", { single: 3, fused: 1 }),
    backward: each("predictions", { single: 2 }),
  },
  rms_norm: {
    forward: (shapes) =>
      times(sizeOf(shapes["x"]!), plus({ fused: 1, single: 2 }, shapes["z"] ? GATE : {})),
    backward: (shapes) =>
      times(sizeOf(shapes["x"]!), plus({ fused: 4, single: 4 }, shapes["z"] ? GATE : {})),
  },
  // exp2(dt·A), dt·u·B, the state and its share of the output.
  selective_scan: {
    forward: (shapes, params) =>
      plus(
        times(selectiveStates(shapes), { fused: 2, single: 2, special: 1 }),
        selectiveEdges(shapes, params),
      ),
    // The state again (3 and an exp2), its flow and the shares of five gradients.
    backward: (shapes, params) =>
      plus(
        times(selectiveStates(shapes), { fused: 6, single: 6, special: 1 }),
        plus(selectiveEdges(shapes, params), times(sizeOf(shapes["u"]!), { single: 8 })),
      ),
  },
  selective_state_update: {
    forward: (shapes, params) =>
      plus(
        times(sizeOf(shapes["u"]!) * shapes["B"]![2]!, { fused: 2, single: 2, special: 1 }),
        selectiveEdges(shapes, params),
      ),
  },
  shared_scan: { forward: each("u", { fused: 2 }) },
  skip: {
    forward: each("a", plus(GATE, { fused: 1 })),
    backward: each("a", { special: 2, single: 6, fused: 2 }),
  },
  softmax: {
    forward: each("x", { special: 1, single: 3 }),
    backward: each("x", { fused: 1, single: 2 }),
  },
  squared_error: {
    forward: each("predictions", { fused: 1, single: 1 }),
    backward: each("predictions", { single: 2 }),
  },
  squared_norm: { forward: each("x", { fused: 1 }) },
  ssd: {
    forward: (shapes, params) => ({ fused: ssdProducts(shapes, params) }),
    // Each product has two gradients.
    backward: (shapes, params) => ({ fused: 3 * ssdProducts(shapes, params) }),
  },
  timed_steps: {
    forward: each("raw", { special: 2, single: 2 }),
    backward: each("raw", { special: 3, single: 4, fused: 1 }),
  },
};

/** Bytes of f32 tensors, each moved once. */
export function tensorBytes(shapes: readonly Shape[]): number {
  return 4 * shapes.reduce((sum, shape) => sum + sizeOf(shape), 0);
}

/** The tensors that a way reads and writes. */
function movedShapes(op: AnyOp, shapes: Shapes, params: unknown, way: Way): Shape[] {
  const outputs = op.outputShapes(shapes, params) as Shapes;
  if (way === "forward") return [...Object.values(shapes), ...Object.values(outputs)];
  const values: Shapes = { ...shapes, ...outputs };
  const needed = needsOf(op.backward!, params).filter((name) => values[name] !== undefined);
  return [
    ...needed.map((name) => values[name]!),
    ...Object.values(outputs),
    // A gradient for each input, of its shape.
    ...Object.values(shapes),
  ];
}

/** What one call of an op, or of its backward, costs at least. */
export function costOf(op: AnyOp, shapes: Shapes, params: unknown, way: Way): Cost {
  const bytes = tensorBytes(movedShapes(op, shapes, params, way));
  const count = ARITHMETIC[op.name]?.[way]?.(shapes, params) ?? {};
  return { bytes, fused: 0, single: 0, special: 0, ...count };
}
