/**
 * The table of what the bench times. To add a scenario, add its line: `both(...)` of a call gives
 * the op and its gradients. Ops without a line of their own are timed at a size of their own.
 *
 * `issue` has the shapes for which peers were timed on the same card (`peers.json`), `ops` and
 * `gradients` those of a training iteration (32 rows of 2,048 samples, 256 features), `length` and
 * `state` the curves of docs/performance.md.
 */
import { OPS } from "../src/ops/mod.ts";
import type { AnyOp } from "../src/ops/op.ts";
import { costOf } from "./costs.ts";
import { unfusedScan } from "./unfused_scan.ts";
import {
  backward,
  type Call,
  drawn,
  forward,
  type Group,
  indices,
  type Inputs,
  type Scenario,
  sizedCall,
} from "./scenario.ts";

/** Work of the small shapes: large enough to time, small enough for lavapipe. */
const SMALL_WORK = 1 << 18;
/** An op without a line is timed at about this many bytes: its inputs are drawn on the host. */
const SIZED_BYTES = 1 << 23;
/** Work at which its bytes are looked at, and the most that follows from them. */
const SIZED_WORK_FIRST = 1 << 16;
const SIZED_WORK_MAX = 1 << 27;
/** Longest attention of the curves: its cost grows with the square. */
const ATTENTION_LENGTH_MAX = 16_384;

function call(op: string, inputs: Inputs, params: unknown = {}): Call {
  return { op, params, inputs: () => inputs };
}

/** Selective scan with skip, gate and softplus, one group of B and C. */
export function selective(batch: number, feature: number, length: number, state: number): Call {
  const rows = [batch, length, feature];
  return call("selective_scan", {
    u: drawn(rows),
    delta: drawn(rows),
    A: drawn([feature, state], -4, -0.5),
    B: drawn([batch, length, 1, state]),
    C: drawn([batch, length, 1, state]),
    D: drawn([feature]),
    z: drawn(rows),
    deltaBias: drawn([feature], -3, -1),
  }, { softplus: true });
}

/** Diagonal complex scan of constant matrices (S4D). */
function s4d(batch: number, feature: number, length: number, state: number): Call {
  const bank = [feature, state, 2];
  return call("linear_scan", {
    u: drawn([batch, length, feature]),
    A: drawn(bank, -0.6, 0.6),
    B: drawn(bank),
    C: drawn(bank),
    D: drawn([feature]),
  }, { variant: "lti" });
}

/** Mamba-2's heads, one group of B and C. */
function ssd(batch: number, length: number, head: number, feature: number, state: number): Call {
  return call("ssd", {
    u: drawn([batch, length, head, feature]),
    delta: drawn([batch, length, head], 0.001, 0.1),
    A: drawn([head], -4, -0.5),
    B: drawn([batch, length, 1, state]),
    C: drawn([batch, length, 1, state]),
    D: drawn([head]),
  });
}

/** One sample of the selective recurrence for many streams, states in place. */
function stateUpdate(streams: number, feature: number, state: number): Call {
  const rows = [streams, feature];
  const lanes = [state / 4, feature, 4];
  return call("selective_state_update", {
    u: drawn(rows),
    delta: drawn(rows),
    A: drawn(lanes, -4, -0.5),
    B: drawn([streams, 1, state]),
    C: drawn([streams, 1, state]),
    state: drawn([streams, ...lanes]),
    D: drawn([feature]),
    z: drawn(rows),
    deltaBias: drawn([feature], -3, -1),
  }, { softplus: true });
}

function product(m: number, n: number, k: number): Call {
  return call("matmul", { a: drawn([m, k]), b: drawn([k, n]) });
}

function attention(batch: number, length: number, head: number, feature: number): Call {
  const rows = [batch, length, head, feature];
  return call("attention", { q: drawn(rows), k: drawn(rows), v: drawn(rows) }, { window: length });
}

const ROWS = [32, 2048, 256] as const;
const WIDE = [32, 2048, 512] as const;

/** Calls at the sizes of a training iteration, by op. */
const TRAINING: readonly Call[] = [
  product(65_536, 512, 256),
  product(65_536, 48, 512),
  call("activation", { x: drawn(WIDE) }, { kind: "silu" }),
  call("adam", {
    parameter: drawn([1 << 24]),
    gradient: drawn([1 << 24]),
    mean: drawn([1 << 24]),
    variance: drawn([1 << 24], 0, 1),
  }, { rate: 0.01, step: 3, beta1: 0.9, beta2: 0.999, eps: 1e-8, decay: 0.1 }),
  call("add", { a: drawn(ROWS), b: drawn(ROWS) }),
  call("blend", { a: drawn([1 << 24]), b: drawn([1 << 24]) }, { share: 0.001 }),
  call("conv1d", { u: drawn(WIDE), weight: drawn([512, 4]), bias: drawn([512]) }, {
    activation: "silu",
  }),
  call("cross_entropy", { logits: drawn([65_536, 256]), targets: indices([65_536], 256) }),
  call("diagonal_scan", { v: drawn([32, 2048, 128, 2]), A: drawn([128, 2], -0.6, 0.6) }, {
    variant: "lti",
  }),
  call("dropout", { x: drawn(ROWS) }, { rate: 0.3, seed: 7, step: 11 }),
  call("embedding", { table: drawn([4096, 256]), ids: indices([32, 2048], 4096) }),
  call("gate", { y: drawn(WIDE), z: drawn(WIDE) }, { activation: "silu" }),
  call("half", { x: drawn(WIDE) }),
  call("layer_norm", { x: drawn(ROWS), weight: drawn([256]), bias: drawn([256]) }, { eps: 1e-5 }),
  call("matmul", { a: drawn(ROWS), b: drawn([1024, 256]), bias: drawn([1024]) }, {
    transposeB: true,
  }),
  call("norm_matmul", { x: drawn(ROWS), weight: drawn([256]), b: drawn([1024, 256]) }, {
    eps: 1e-5,
  }),
  call("add_rows", { a: drawn([65_536, 256]), b: drawn([65_536, 8, 256]) }, {
    activation: "silu",
  }),
  call("anchor_mixture", {
    z: drawn([1 << 20, 25]),
    anchors: drawn([1 << 20, 13]),
    valid: drawn([1 << 20, 13], 1, 1),
    scale: drawn([1 << 20], 0.5, 1.5),
  }),
  call("pick_samples", { x: drawn([192, 768, 192]), at: indices([192, 24], 768) }),
  call("pool", { x: drawn(ROWS) }, { kind: "mean" }),
  call("quantile_loss", { predictions: drawn([1 << 22, 9]), targets: drawn([1 << 22]) }, {
    quantiles: [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9],
  }),
  call("rms_norm", { x: drawn(ROWS), weight: drawn([256]) }, { eps: 1e-5 }),
  call("skip", { a: drawn(ROWS), u: drawn(ROWS), weight: drawn([256]) }, {
    activation: "gelu_tanh",
  }),
  call("slice", { x: drawn([32, 2048, 1024]) }, { start: 512, count: 512 }),
  call("softmax", { x: drawn([65_536, 256]) }),
  call("squared_error", { predictions: drawn([1 << 25]), targets: drawn([1 << 25]) }),
  call("squared_norm", { x: drawn([1 << 25]) }),
  call("timed_steps", { raw: drawn(WIDE), scale: drawn(WIDE.slice(0, 2), 0, 2) }),
  call("transpose", { x: drawn([32, 2048, 512]) }),
];

/** A call of an op at a size of its own: enough bytes or enough work. */
function sizedByBytes(op: AnyOp): Call {
  const first = sizedCall(op, SIZED_WORK_FIRST);
  const shapes = Object.fromEntries(
    Object.entries(first.inputs()).map(([name, { shape }]) => [name, shape]),
  );
  const { bytes } = costOf(op, shapes, first.params, "forward");
  const work = Math.min(SIZED_WORK_MAX, Math.round(SIZED_WORK_FIRST * SIZED_BYTES / bytes));
  return sizedCall(op, work);
}

function label(call: Call): string {
  const shapes = Object.values(call.inputs()).map(({ shape }) => shape.join("×"));
  return `${call.op} ${shapes.slice(0, 2).join(", ")}`;
}

/** An op and its gradients. */
function both(group: Group, name: string, made: Call): Scenario[] {
  const op = OPS.find((candidate) => candidate.name === made.op);
  // An older revision may not have the op.
  if (op === undefined) return [];
  const [first, ...rest] = name.split(" ");
  const gradients = `${first} gradients ${rest.join(" ")}`.trimEnd();
  const back = group === "ops" ? "gradients" : group;
  return op.backward === undefined
    ? [forward(group, name, made)]
    : [forward(group, name, made), backward(back, gradients, made)];
}

type Four = readonly [number, number, number, number];

const SCANS: readonly Four[] = [
  [8, 2048, 2048, 16],
  [1, 2048, 16_384, 16],
  [64, 256, 512, 16],
  [1, 256, 65_536, 16],
  [64, 2048, 512, 16],
];
const S4D: readonly Four[] = [
  [8, 512, 1024, 32],
  [8, 512, 2048, 32],
  [8, 512, 4096, 32],
  [1, 512, 16_384, 32],
  [1, 512, 65_536, 32],
];
const PRODUCTS: readonly (readonly [number, number, number])[] = [
  [4096, 4096, 4096],
  [16_384, 2048, 1024],
  [65_536, 256, 256],
];

/** What the project's goals are about comes first, for runs that are cut short. */
function issueScenarios(): Scenario[] {
  const ssds = [[8, 2048], [1, 16_384]].map(([batch, length]) =>
    both("issue", `ssd ${batch},${length},32,64,128`, ssd(batch!, length!, 32, 64, 128))
  );
  const wide = both("issue", "selective_scan 8,2048,2048,128", selective(8, 2048, 2048, 128));
  const attended = both("issue", "attention 8,2048,8,64", attention(8, 2048, 8, 64));
  return [
    ...SCANS.flatMap((sizes) => both("issue", `selective_scan ${sizes}`, selective(...sizes))),
    // Of these shapes the one whose stored states fit a binding of 2 GiB.
    unfusedScan("issue", [64, 256, 512, 16]),
    ...PRODUCTS.flatMap((sizes) => both("issue", `matmul ${sizes}`, product(...sizes))),
    ...[65_536, 16_384, 1024].map((streams) =>
      forward("issue", `selective_state_update ${streams},128,16`, stateUpdate(streams, 128, 16))
    ),
    ...[...ssds, wide].flatMap((pair) => pair.slice(0, 1)),
    ...S4D.flatMap((sizes) => both("issue", `linear_scan ${sizes}`, s4d(...sizes))),
    ...attended,
    ...[...ssds, wide].flatMap((pair) => pair.slice(1)),
  ];
}

function opScenarios(): Scenario[] {
  const named = TRAINING.flatMap((made) => both("ops", label(made), made));
  const known = new Set([...issueScenarios(), ...named].flatMap(({ ops }) => ops));
  const others = OPS.filter(({ name }) => !known.has(name));
  return [
    ...named,
    ...others.flatMap((op) => both("ops", `${op.name} sized`, sizedByBytes(op))),
  ];
}

const powers = (from: number, to: number) =>
  Array.from({ length: to - from + 1 }, (_, i) => 2 ** (from + i));

/** Cost against length: 16,384 samples in all, or one row. */
function lengthScenarios(): Scenario[] {
  return powers(8, 16).flatMap((length) => {
    const batch = Math.max(1, 16_384 / length);
    return [
      forward("length", `selective_scan length ${length}`, selective(batch, 512, length, 16)),
      forward("length", `linear_scan length ${length}`, s4d(batch, 512, length, 32)),
      forward("length", `ssd length ${length}`, ssd(batch, length, 8, 64, 64)),
      ...(length <= ATTENTION_LENGTH_MAX
        ? [forward("length", `attention length ${length}`, attention(batch, length, 8, 64))]
        : []),
    ];
  });
}

/** Cost against the size of the state, 8 rows of 2,048 samples, 512 features. */
function stateScenarios(): Scenario[] {
  return powers(2, 8).flatMap((state) => [
    forward("state", `selective_scan state ${state}`, selective(8, 512, 2048, state)),
    forward("state", `linear_scan state ${state}`, s4d(8, 512, 2048, state)),
    forward("state", `ssd state ${state}`, ssd(8, 2048, 8, 64, state)),
  ]);
}

/** Scenarios of a real GPU. */
export function largeScenarios(): Scenario[] {
  return [...issueScenarios(), ...opScenarios(), ...lengthScenarios(), ...stateScenarios()];
}

/** Every op and its gradients at a size for CPUs and software adapters. */
export function smallScenarios(): Scenario[] {
  return OPS.flatMap((op) => both("ops", `${op.name} small`, sizedCall(op, SMALL_WORK)));
}
