/** The passes of the backward of `selective_scan` on a GPU that take every form of it. */
import { InvalidValueError } from "../../base/errors.ts";
import type { GpuLimits } from "../../device/device.ts";
import type { Shape } from "../../tensor/shape.ts";
import type { LaunchPlan, Pass, Some } from "../op.ts";
import { groupsFor, powerOfTwoAtLeast } from "./plan.ts";
import { columnSums, joinPlans } from "./reduce.ts";
import type { Sizes } from "./selective_scan_backward.ts";

type Input = "u" | "delta" | "A" | "B" | "C" | "D" | "z" | "deltaBias" | "x0";

/** The shader of these passes. */
const SHADER = "backward/selective_scan";
const CARRY_GROUP = 64;
/** Invocations of a workgroup. */
const GROUP = 64;
/** Features of a workgroup, at most: rows of 32 floats are read whole. */
const FEATURES_MAX = 32;
/** Numbers that an invocation keeps of a state: its states of a tile stay in registers. */
const NUMBERS_PER_LANE = 4;
/** Steps whose states an invocation finds again at once. */
const TILE = 4;
/** Steps between kept states; inside, the state at each tile's start stays in registers. */
export const SELECTIVE_CHUNK = 32;
/** Rows whose shares wait in workgroup memory for their sums. */
const ROWS_AT_ONCE = 2;

/** The largest power of two that divides `count`; of one group, so that tiles do not cross it. */
function largestDivisor(count: number): number {
  let power = 1;
  while (count % (2 * power) === 0) power *= 2;
  return power;
}

/** Bytes of workgroup memory that the last pass declares. */
function workgroupBytes(lanes: number, features: number, width: number, rows: number): number {
  const invocations = lanes * features;
  const staged = TILE * (16 * features + 2 * 4 * width);
  return staged + rows * (3 * 4 * invocations + 2 * 4 * width * (features + 1));
}

/**
 * The geometry of a workgroup: LANES invocations for the states of a feature, FEATURES features.
 *
 * @throws {InvalidValueError} more states than a workgroup holds
 */
function tileOf({ state, parts, feature, groupB, groupC }: Sizes, limits: GpuLimits) {
  const perLane = NUMBERS_PER_LANE / parts;
  const lanes = powerOfTwoAtLeast(Math.ceil(state / perLane));
  const most = Math.min(GROUP, limits.invocationsMax);
  const width = lanes * NUMBERS_PER_LANE;
  let features = Math.min(
    FEATURES_MAX,
    Math.max(1, most / lanes),
    largestDivisor(feature / Math.max(1, groupB, groupC)),
  );
  let rows = ROWS_AT_ONCE;
  const fits = () =>
    lanes <= most && workgroupBytes(lanes, features, width, rows) <= limits.workgroupBytesMax;
  while (!fits() && features > 1) features /= 2;
  while (!fits() && rows > 1) rows /= 2;
  if (!fits()) {
    const bytes = limits.workgroupBytesMax;
    throw new InvalidValueError("A.state", state, `at most what ${bytes} B hold for gradients`);
  }
  return { LANES: lanes, PER_LANE: perLane, FEATURES: features, ROWS_AT_ONCE: rows };
}

/** A row of the sums that the last pass leaves of each chunk: banks as large as A, then D. */
interface SumRows {
  readonly rows: number;
  readonly bank: number;
  /** Banks: of A, and of B and C where they are fixed. */
  readonly banks: number;
  readonly stride: number;
}

function sumRowsOf(
  { batch, feature, state, parts, groupB, groupC }: Sizes,
  chunks: number,
): SumRows {
  const bank = feature * state * parts;
  const banks = 1 + (groupB === 0 ? 1 : 0) + (groupC === 0 ? 1 : 0);
  return { rows: batch * chunks, bank, banks, stride: banks * bank + feature };
}

/** The sums over chunks, rows and tiles, after all gradients of each chunk. */
function sumsOf(
  sizes: Sizes,
  shapes: Some<Input, Shape>,
  { rows, bank, banks, stride }: SumRows,
  tiles: number,
): LaunchPlan[] {
  const { batch, length, feature, state, parts, groupB, groupC } = sizes;
  const sum = (target: string, part: number, columns = bank) =>
    columnSums({ target, left: "sums", rows, columns, stride, offset: part * bank });
  // Shares of B: one row for every tile of features of a group.
  const shared = (target: string, left: string, groups: number) => {
    const columns = batch * length * groups * state * parts;
    const own = { scratch: { [left]: tiles / groups * columns }, passes: [] };
    return joinPlans(own, columnSums({ target, left, rows: tiles / groups, columns }));
  };
  const bias = { target: "gradDeltaBias", left: "gradDelta", columns: feature };
  return [
    sum("gradA", 0),
    groupB > 0 ? shared("gradB", "sharesOfB", groupB) : sum("gradB", 1),
    groupC > 0 ? shared("gradC", "sharesOfC", groupC) : sum("gradC", banks - 1),
    ...(shapes.D ? [sum("gradD", banks, feature)] : []),
    ...(shapes.deltaBias ? [columnSums({ ...bias, rows: batch * length })] : []),
  ];
}

/**
 * The passes on a GPU: the scan's own up to the chunks' starts, the same for the gradient's flow
 * from the end, all gradients of each chunk, and the sums over chunks, rows and tiles.
 *
 * @param forward  the scan's plan with chunks of {@linkcode SELECTIVE_CHUNK}
 */
export function backwardPlan(
  forward: LaunchPlan,
  sizes: Sizes,
  shapes: Some<Input, Shape>,
  limits: GpuLimits,
): LaunchPlan {
  const { batch, length, feature, state, groupB, groupC } = sizes;
  const chunks = Math.max(1, Math.ceil(length / SELECTIVE_CHUNK));
  const several = chunks > 1;
  const tile = tileOf(sizes, limits);
  const tiles = groupsFor(feature, tile.FEATURES);
  const first = forward.passes[0]!;
  const pass = (entry: string, bindings: string[], workgroups: Pass["workgroups"]): Pass => ({
    shader: SHADER,
    entry,
    constants: {
      ...first.constants,
      ...tile,
      BACK_TILE: TILE,
      BACK_TILES: SELECTIVE_CHUNK / TILE,
      APPLY: entry === "apply_flows" ? 1 : 0,
    },
    dims: first.dims,
    bindings,
    workgroups,
  });
  const named = (...names: Input[]) => names.filter((name) => shapes[name]);
  const steps = ["delta", ...named("deltaBias")];
  const reduce = pass(
    "reduce_flows",
    ["A", "C", ...steps, ...named("z"), "gradY", "flows", "flowSpans"],
    [tiles, chunks - 1, batch],
  );
  const carry = pass(
    "carry_flows",
    ["gradState", "flows", ...(several ? ["A", "flowSpans"] : [])],
    [groupsFor(feature * state, CARRY_GROUP), batch, 1],
  );
  const apply = pass("apply_flows", [
    ...["u", "A", "B", "C", ...steps, ...named("D"), ...(shapes.z ? ["z", "gradZ"] : [])],
    ...["gradY", "flows", ...(shapes.x0 ? ["x0", "gradX0"] : []), ...(several ? ["ends"] : [])],
    ...["sums", "gradU", "gradDelta", ...(groupB > 0 ? ["sharesOfB"] : [])],
    ...(groupC > 0 ? ["sharesOfC"] : []),
  ], [tiles, chunks, batch]);
  const sums = sumRowsOf(sizes, chunks);
  const own: LaunchPlan = {
    scratch: {
      ...forward.scratch,
      flows: sums.rows * sums.bank,
      ...(several ? { flowSpans: sums.rows * feature } : {}),
      sums: sums.rows * sums.stride,
    },
    passes: [...forward.passes.slice(0, -1), ...(several ? [reduce] : []), carry, apply],
  };
  return joinPlans(own, ...sumsOf(sizes, shapes, sums, tiles));
}
