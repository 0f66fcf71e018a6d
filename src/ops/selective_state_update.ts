/**
 * One sample of the selective recurrence (Mamba) for many streams whose states stay where they are.
 *
 *   dt   = softplus(delta + deltaBias)          (softplus only where `softplus` is set)
 *   next = exp(dt·A)·state + dt·B·u
 *   y    = (Σ C·next + D·u)·silu(z)
 *
 * Mamba (arXiv 2312.00752) section 3.2 for a length of one, as `selective_step` of the published
 * code: what `selective_scan` is for a whole length. Row b of the inputs belongs to the stream
 * whose state is row slots[b] of the table, row b where there are no slots; a slot that is no row
 * of the table is padding, its y is 0. The slots of a run differ from one another.
 *
 * States lie as `lanes`: four of them to a vector, the vectors of neighbouring features next to one
 * another, so that the invocations of a GPU read what lies together (measured on an H100, 65,536
 * streams of 128 features and 16 states: 2,928 GB/s, 99 % of a copy; with the states of a feature
 * together 2,208 GB/s by one invocation a feature and 2,832 GB/s by four).
 *
 * Tolerance: f32 exp is off by some ULP; 5e-6 of the largest output.
 */
import { InvalidValueError } from "../base/errors.ts";
import { expectAxis, expectRank, expectShape, type Shape } from "../tensor/shape.ts";
import type { SimdPlan } from "../device/device.ts";
import type { FloatArray } from "../tensor/tensor.ts";
import { silu, softplus } from "./_helpers/activation.ts";
import { denormal, fill, normal, uniform } from "./_helpers/cases.ts";
import { LANE } from "./_helpers/lanes.ts";
import { groupsFor, spreadGroups } from "./_helpers/plan.ts";
import { flag, singlePass } from "./_helpers/simd.ts";
import { defineOp, type LaunchPlan, type Named, type OpCase } from "./op.ts";

/** Parameters of {@linkcode selectiveStateUpdate}. */
export interface SelectiveStateUpdateParams {
  /** delta goes through softplus after its bias. */
  readonly softplus: boolean;
}

type Input = "u" | "delta" | "A" | "B" | "C" | "state";
type OptionalInput = "D" | "z" | "deltaBias" | "slots";
type Shapes = Named<Input, OptionalInput, Shape>;

/** Rows of a task of the SIMD kernel. */
const TASK_ROWS = 16;

/** Invocations of a workgroup, one for each feature of a row. */
const GROUP = 256;

function sizesOf(shapes: Shapes) {
  expectRank("u", 2, shapes.u);
  const [batch, feature] = shapes.u as [number, number];
  expectRank("B", 3, shapes.B);
  const [, group, state] = shapes.B as [number, number, number];
  if (state % LANE !== 0) throw new InvalidValueError("B.state", state, `a multiple of ${LANE}`);
  if (group < 1 || feature % group !== 0) {
    throw new InvalidValueError("B.group", group, `a divisor of the ${feature} features`);
  }
  return { batch, feature, group, state };
}

function outputShapes(shapes: Shapes): { y: Shape; next: Shape } {
  const { batch, feature, group, state } = sizesOf(shapes);
  const lanes = [state / LANE, feature, LANE];
  const rows = [batch, feature];
  expectShape("delta", ["batch", "feature"], rows, shapes.delta);
  expectShape("A", ["state/4", "feature", "lane"], lanes, shapes.A);
  for (const name of ["B", "C"] as const) {
    expectShape(name, ["batch", "group", "state"], [batch, group, state], shapes[name]);
  }
  expectRank("state", 4, shapes.state);
  const [capacity = 0] = shapes.state;
  const axes = ["row", "state/4", "feature", "lane"];
  expectShape("state", axes, [capacity, ...lanes], shapes.state);
  if (shapes.D) expectShape("D", ["feature"], [feature], shapes.D);
  if (shapes.z) expectShape("z", ["batch", "feature"], rows, shapes.z);
  if (shapes.deltaBias) expectShape("deltaBias", ["feature"], [feature], shapes.deltaBias);
  if (shapes.slots) expectShape("slots", ["batch"], [batch], shapes.slots);
  else expectAxis("state.row", batch, capacity);
  return { y: rows, next: shapes.state };
}

/**
 * The twin.
 *
 *   u, delta   input, raw step size        [batch, feature]
 *   A          transition, below 0         [state/4, feature, 4]
 *   B, C       input, output matrix        [batch, group, state]
 *   state      of every stream             [row, state/4, feature, 4]
 *   D          skip                        [feature]
 *   z          gate branch                 [batch, feature]
 *   deltaBias  added to delta              [feature]
 *   slots      each stream's row           [batch]
 *   y          output                      [batch, feature]
 *   next       goes on from state          [row, state/4, feature, 4]
 */
function cpu(
  inputs: Named<Input, OptionalInput, FloatArray>,
  { y, next }: { readonly y: FloatArray; readonly next: FloatArray },
  shapes: Shapes,
  params: SelectiveStateUpdateParams,
): void {
  const { batch, feature, group, state } = sizesOf(shapes);
  const { u, delta, A, B, C, D, z, deltaBias, slots } = inputs;
  const capacity = shapes.state[0]!;
  const perGroup = feature / group;
  for (let b = 0; b < batch; b++) {
    const slot = slots ? slots[b]! : b;
    const isKnown = slot >= 0 && slot < capacity;
    for (let d = 0; d < feature; d++) {
      const at = b * feature + d;
      y[at] = 0;
      if (!isKnown) continue;
      const raw = delta[at]! + (deltaBias ? deltaBias[d]! : 0);
      const dt = params.softplus ? softplus(raw) : raw;
      const input = dt * u[at]!;
      const row = (b * group + Math.floor(d / perGroup)) * state;
      let sum = D ? D[d]! * u[at]! : 0;
      for (let n = 0; n < state; n++) {
        const lane = (Math.floor(n / LANE) * feature + d) * LANE + n % LANE;
        const place = slot * state * feature + lane;
        const value = Math.exp(dt * A[lane]!) * next[place]! + input * B[row + n]!;
        next[place] = value;
        sum += C[row + n]! * value;
      }
      y[at] = z ? sum * silu(z[at]!) : sum;
    }
  }
}

function launch(
  shapes: Shapes,
  params: SelectiveStateUpdateParams,
  limits: Parameters<typeof spreadGroups>[1],
): LaunchPlan {
  const { batch, feature, group, state } = sizesOf(shapes);
  const has = (name: OptionalInput) => shapes[name] ? 1 : 0;
  const named = (name: OptionalInput) => shapes[name] ? [name] : [];
  return {
    scratch: {},
    passes: [{
      entry: "update",
      constants: {
        GROUP,
        VECTORS: state / LANE,
        SOFTPLUS: params.softplus ? 1 : 0,
        HAS_D: has("D"),
        HAS_Z: has("z"),
        HAS_BIAS: has("deltaBias"),
        HAS_SLOTS: has("slots"),
      },
      dims: { count: batch * feature, feature, group, rows: shapes.state[0]! },
      bindings: [
        ...["u", "delta", "A", "B", "C", ...named("D"), ...named("z"), ...named("deltaBias")],
        ...[...named("slots"), "y", "next"],
      ],
      workgroups: spreadGroups(groupsFor(batch * feature, GROUP), limits),
    }],
  };
}

/** One kernel; undefined where four neighbouring features do not share their B and C. */
function simd(shapes: Shapes, params: SelectiveStateUpdateParams): SimdPlan | undefined {
  const { batch, feature, group, state } = sizesOf(shapes);
  if ((feature / group) % LANE !== 0) return undefined;
  const tensors = ["u", "delta", "A", "B", "C", "D", "z", "deltaBias", "slots", "y", "next"];
  const sizes = [batch, shapes.state[0]!, feature, state, group, flag(params.softplus)];
  const tasks = Math.ceil(batch / TASK_ROWS);
  const pass = { entry: "selective_state_update", args: [...tensors, ...sizes], tasks };
  return { ...singlePass(pass, 1.5e-6 * batch * feature * state), resident: ["next"] };
}

interface CaseSizes {
  readonly feature: number;
  readonly state: number;
  readonly group: number;
  readonly capacity: number;
  readonly slots?: readonly number[];
}

type Case = OpCase<SelectiveStateUpdateParams, Input, OptionalInput>;

function fullCase(name: string, sizes: CaseSizes, change: Partial<Case> = {}): Case {
  const { feature, state, group, capacity, slots } = sizes;
  const batch = slots?.length ?? capacity;
  return {
    name,
    params: { softplus: true },
    inputs: (random) => ({
      u: normal(random, [batch, feature]),
      delta: normal(random, [batch, feature], 0.5),
      A: uniform(random, [state / LANE, feature, LANE], -4, -0.1),
      B: normal(random, [batch, group, state]),
      C: normal(random, [batch, group, state]),
      state: normal(random, [capacity, state / LANE, feature, LANE]),
      D: normal(random, [feature]),
      z: normal(random, [batch, feature]),
      deltaBias: uniform(random, [feature], -4, -1),
      slots: slots && fill([batch], (i) => slots[i]!),
    }),
    ...change,
  };
}

const SMALL: CaseSizes = { feature: 6, state: 8, group: 1, capacity: 5 };

const cases: readonly Case[] = [
  fullCase("every stream", SMALL),
  fullCase("some streams, backwards, with padding", { ...SMALL, slots: [4, -1, 0, 5, 2] }, {
    quick: true,
  }),
  fullCase("several workgroups and groups", { feature: 96, state: 16, group: 3, capacity: 9 }),
  fullCase("groups of whole vectors", { feature: 24, state: 4, group: 2, capacity: 17 }),
  fullCase("one feature, one vector", { feature: 1, state: 4, group: 1, capacity: 1 }),
  {
    name: "nothing optional, no softplus",
    params: { softplus: false },
    inputs: (random) => ({
      u: normal(random, [3, 5]),
      delta: uniform(random, [3, 5], 0.001, 0.1),
      A: uniform(random, [1, 5, LANE], -4, -0.1),
      B: normal(random, [3, 1, 4]),
      C: normal(random, [3, 1, 4]),
      state: normal(random, [3, 1, 5, LANE]),
    }),
  },
  fullCase("denormals", SMALL, {
    inputs: (random) => ({
      u: denormal(random, [5, 6]),
      delta: normal(random, [5, 6]),
      A: uniform(random, [2, 6, LANE], -4, -0.1),
      B: normal(random, [5, 1, 8]),
      C: normal(random, [5, 1, 8]),
      state: denormal(random, [5, 2, 6, LANE]),
    }),
  }),
];

/** One sample of the selective recurrence for many streams; equation at the head of this file. */
export const selectiveStateUpdate = defineOp<
  SelectiveStateUpdateParams,
  Input,
  OptionalInput,
  "y" | "next"
>({
  name: "selective_state_update",
  inputs: ["u", "delta", "A", "B", "C", "state"],
  optional: ["D", "z", "deltaBias", "slots"],
  outputs: ["y", "next"],
  resident: { next: "state" },
  outputShapes,
  cpu,
  launch,
  simd,
  work(shapes) {
    const { batch, feature, state } = sizesOf(shapes);
    return batch * feature * state;
  },
  sized: (work) =>
    fullCase(`${work} states`, {
      feature: 16,
      state: 8,
      group: 1,
      capacity: Math.max(1, Math.round(work / 128)),
    }),
  cases,
  tolerance: 5e-6,
});
