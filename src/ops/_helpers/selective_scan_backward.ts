/** The twin of the backward of `selective_scan`; equations in that file. */
import { InvalidValueError } from "../../base/errors.ts";
import type { FloatArray } from "../../tensor/tensor.ts";
import type { GpuLimits } from "../../device/device.ts";
import type { Shape } from "../../tensor/shape.ts";
import type { GradientOf, LaunchPlan, Pass, Some } from "../op.ts";
import { groupsFor, powerOfTwoAtLeast } from "./plan.ts";
import { columnSums, joinPlans } from "./reduce.ts";
import { silu, siluSlope, softplus, softplusSlope } from "./activation.ts";

type Input = "u" | "delta" | "A" | "B" | "C" | "D" | "z" | "deltaBias" | "x0";
type Output = "y" | "state";

/** Sizes of a call, checked. */
export interface Sizes {
  readonly batch: number;
  readonly length: number;
  readonly feature: number;
  readonly state: number;
  /** Stored numbers of one state: 2 for complex. */
  readonly parts: number;
  /** Groups of B; 0 where B is fixed. */
  readonly groupB: number;
  readonly groupC: number;
}

/** Where the row of B or C for one step and feature begins. */
export function offsetOf(sizes: Sizes, group: number, b: number, k: number, d: number): number {
  const width = sizes.state * sizes.parts;
  if (group === 0) return d * width;
  const g = Math.floor(d * group / sizes.feature);
  return ((b * sizes.length + k) * group + g) * width;
}

/** exp(dt·A) of one state; the imaginary part is 0 for real A. */
function decayInto(out: Float64Array, A: FloatArray, at: number, dt: number, parts: number): void {
  const modulus = Math.exp(dt * A[at]!);
  const angle = parts === 2 ? dt * A[at + 1]! : 0;
  out[0] = modulus * Math.cos(angle);
  out[1] = modulus * Math.sin(angle);
}

/** Gradients of all inputs: one feature of one row after another, forward and back again. */
export function selectiveScanBackward(
  given: Some<Input | Output | GradientOf<Output>, FloatArray>,
  gradients: Some<GradientOf<Input>, FloatArray>,
  sizes: Sizes,
  isSoftplus: boolean,
): void {
  const { batch, length, feature, state, parts } = sizes;
  const { D, z, deltaBias, x0, gradY, gradState } = given;
  const [u, A, B, C] = [given.u!, given.A!, given.B!, given.C!];
  const { gradU, gradDelta, gradZ, gradX0 } = gradients;
  const width = state * parts;
  const scale = parts;
  const sums = {
    A: new Float64Array(A.length),
    B: new Float64Array(B.length),
    C: new Float64Array(C.length),
    D: new Float64Array(feature),
    deltaBias: new Float64Array(feature),
  };
  // The states before every step and after the last one.
  const x = new Float64Array((length + 1) * width);
  const flow = new Float64Array(width);
  const decay = new Float64Array(2);
  for (let b = 0; b < batch; b++) {
    for (let d = 0; d < feature; d++) {
      const carried = (b * feature + d) * width;
      const indexOf = (k: number) => (b * length + k) * feature + d;
      const rawAt = (k: number) => given.delta![indexOf(k)]! + (deltaBias ? deltaBias[d]! : 0);
      const stepAt = (k: number) => isSoftplus ? softplus(rawAt(k)) : rawAt(k);
      for (let i = 0; i < width; i++) x[i] = x0 ? x0[carried + i]! : 0;
      for (let k = 0; k < length; k++) {
        const dt = stepAt(k);
        const offB = offsetOf(sizes, sizes.groupB, b, k, d);
        for (let i = 0; i < width; i += parts) {
          decayInto(decay, A, d * width + i, dt, parts);
          const at = k * width + i;
          const scaled = dt * u[indexOf(k)]!;
          const imaginary = parts === 2 ? x[at + 1]! : 0;
          x[at + width] = decay[0]! * x[at]! - decay[1]! * imaginary + scaled * B[offB + i]!;
          if (parts === 1) continue;
          x[at + width + 1] = decay[0]! * imaginary + decay[1]! * x[at]! +
            scaled * B[offB + i + 1]!;
        }
      }
      for (let i = 0; i < width; i++) flow[i] = gradState![carried + i]!;
      for (let k = length - 1; k >= 0; k--) {
        const at = indexOf(k);
        const dt = stepAt(k);
        const sample = u[at]!;
        const offB = offsetOf(sizes, sizes.groupB, b, k, d);
        const offC = offsetOf(sizes, sizes.groupC, b, k, d);
        const gradient = z ? gradY![at]! * silu(z[at]!) : gradY![at]!;
        let output = D ? D[d]! * sample : 0;
        let ofInput = 0;
        let ofStep = 0;
        for (let i = 0; i < width; i += parts) {
          const before = k * width + i;
          const after = before + width;
          const isPair = parts === 2;
          const [ar, ai] = [A[d * width + i]!, isPair ? A[d * width + i + 1]! : 0];
          const [br, bi] = [B[offB + i]!, isPair ? B[offB + i + 1]! : 0];
          const [cr, ci] = [C[offC + i]!, isPair ? C[offC + i + 1]! : 0];
          const [xr, xi] = [x[before]!, isPair ? x[before + 1]! : 0];
          const [nextR, nextI] = [x[after]!, isPair ? x[after + 1]! : 0];
          output += scale * (cr * nextR - ci * nextI);
          const fr = flow[i]! + scale * gradient * cr;
          const fi = (isPair ? flow[i + 1]! : 0) - scale * gradient * ci;
          decayInto(decay, A, d * width + i, dt, parts);
          const backR = decay[0]! * fr + decay[1]! * fi;
          const backI = decay[0]! * fi - decay[1]! * fr;
          // The gradient of dt·A: conj(decay)·flow·conj(x).
          const ofPowerR = backR * xr + backI * xi;
          const ofPowerI = backI * xr - backR * xi;
          ofInput += br * fr + bi * fi;
          ofStep += ar * ofPowerR + ai * ofPowerI;
          sums.A[d * width + i]! += dt * ofPowerR;
          sums.B[offB + i]! += dt * sample * fr;
          sums.C[offC + i]! += scale * gradient * nextR;
          flow[i] = backR;
          if (!isPair) continue;
          sums.A[d * width + i + 1]! += dt * ofPowerI;
          sums.B[offB + i + 1]! += dt * sample * fi;
          sums.C[offC + i + 1]! -= scale * gradient * nextI;
          flow[i + 1] = backI;
        }
        const slope = isSoftplus ? softplusSlope(rawAt(k)) : 1;
        const ofDelta = slope * (ofStep + sample * ofInput);
        gradU![at] = dt * ofInput + (D ? D[d]! * gradient : 0);
        gradDelta![at] = ofDelta;
        if (gradZ) gradZ[at] = gradY![at]! * output * siluSlope(z![at]!);
        sums.D[d]! += gradient * sample;
        sums.deltaBias[d]! += ofDelta;
      }
      for (let i = 0; i < width && gradX0; i++) gradX0[carried + i] = flow[i]!;
    }
  }
  gradients.gradA!.set(sums.A);
  gradients.gradB!.set(sums.B);
  gradients.gradC!.set(sums.C);
  gradients.gradD?.set(sums.D);
  gradients.gradDeltaBias?.set(sums.deltaBias);
}

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
  const { batch, length, feature, state, parts, groupB, groupC } = sizes;
  const chunks = Math.max(1, Math.ceil(length / SELECTIVE_CHUNK));
  const tile = tileOf(sizes, limits);
  const first = forward.passes[0]!;
  const constants = {
    ...first.constants,
    ...tile,
    BACK_TILE: TILE,
    BACK_TILES: SELECTIVE_CHUNK / TILE,
  };
  const pass = (entry: string, bindings: string[], workgroups: Pass["workgroups"]): Pass => ({
    shader: SHADER,
    entry,
    constants: { ...constants, APPLY: entry === "apply_flows" ? 1 : 0 },
    dims: first.dims,
    bindings,
    workgroups,
  });
  const named = (...names: Input[]) => names.filter((name) => shapes[name]);
  const bank = feature * state * parts;
  const rows = batch * chunks;
  const isFixed = { B: groupB === 0 ? 1 : 0, C: groupC === 0 ? 1 : 0 };
  const banks = 1 + isFixed.B + isFixed.C;
  const stride = banks * bank + feature;
  const tiles = groupsFor(feature, tile.FEATURES);
  const several = chunks > 1;
  const steps = ["delta", ...named("deltaBias")];
  const gated = shapes.z ? ["z", "gradZ"] : [];
  const passes = [
    ...forward.passes.slice(0, -1),
    ...(several
      ? [pass(
        "reduce_flows",
        ["A", "C", ...steps, ...named("z"), "gradY", "flows", "flowSpans"],
        [tiles, chunks - 1, batch],
      )]
      : []),
    pass(
      "carry_flows",
      ["gradState", "flows", ...(several ? ["A", "flowSpans"] : [])],
      [groupsFor(feature * state, CARRY_GROUP), batch, 1],
    ),
    pass("apply_flows", [
      ...["u", "A", "B", "C", ...steps, ...named("D"), ...gated, "gradY", "flows"],
      ...[...(shapes.x0 ? ["x0", "gradX0"] : []), ...(several ? ["ends"] : []), "sums"],
      ...["gradU", "gradDelta", ...(groupB > 0 ? ["sharesOfB"] : [])],
      ...(groupC > 0 ? ["sharesOfC"] : []),
    ], [tiles, chunks, batch]),
  ];
  const sum = (target: string, part: number, columns = bank) =>
    columnSums({ target, left: "sums", rows, columns, stride, offset: part * bank });
  // Shares of B: one row for every tile of features of a group.
  const shared = (target: string, left: string, groups: number) => {
    const columns = batch * length * groups * state * parts;
    const own = { scratch: { [left]: tiles / groups * columns }, passes: [] };
    return joinPlans(own, columnSums({ target, left, rows: tiles / groups, columns }));
  };
  const bias = { target: "gradDeltaBias", left: "gradDelta", columns: feature };
  return joinPlans(
    {
      scratch: {
        ...forward.scratch,
        flows: rows * bank,
        ...(several ? { flowSpans: rows * feature } : {}),
        sums: rows * stride,
      },
      passes,
    },
    sum("gradA", 0),
    groupB > 0 ? shared("gradB", "sharesOfB", groupB) : sum("gradB", 1),
    groupC > 0 ? shared("gradC", "sharesOfC", groupC) : sum("gradC", 1 + isFixed.B),
    ...(shapes.D ? [sum("gradD", banks, feature)] : []),
    ...(shapes.deltaBias ? [columnSums({ ...bias, rows: batch * length })] : []),
  );
}
