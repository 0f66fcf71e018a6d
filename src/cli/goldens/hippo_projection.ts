import { hippoCoefficients } from "../../layers/mod.ts";
import { matmul, runOp, sharedScan } from "../../ops/mod.ts";
import {
  type DiscreteSystem,
  discretizeDense,
  type DiscretizeOptions,
} from "../../ssm/discretize.ts";
import { hippoTransition } from "../../ssm/hippo.ts";
import {
  legsBasis,
  legsStep,
  legtBasis,
  projectLegs,
  projectLegt,
  reconstruct,
} from "../../ssm/projection.ts";
import { asDtype, tensorOf } from "../../tensor/tensor.ts";
import { methodOf } from "./discretization.ts";
import { type GoldenCase, numberOf, tensorOfCase, textOf, valuesOf } from "./golden_file.ts";
import type { GoldenDevice, GroupRunner } from "./group.ts";
import { take, valuesF64 } from "./tensors.ts";

/**
 * Online coefficients of a signal, and the history drawn again from them: in f64 by the definition,
 * in f32 by the ops that the member runs.
 */
export const hippoProjectionGroup: GroupRunner = {
  group: "hippo_projection",
  onGpu: true,
  async run(golden, on) {
    const { shape, values } = tensorOfCase(golden, "f");
    const [length = 0, channels = 1] = shape;
    const method = methodOf(textOf(golden, "discretization"), golden);
    if (method === undefined) {
      return { unsupported: `discretization "${golden.scalars["discretization"]}"` };
    }
    // A window has a length, so its cases name a step; LegS has neither.
    const dt = golden.scalars["dt"] === undefined ? undefined : numberOf(golden, "dt");
    const signal = { values, length, channels, stateSize: numberOf(golden, "N"), dt };
    const basis = dt === undefined
      ? legsBasis(signal.stateSize, length)
      : legtBasis(signal.stateSize, dt);
    const onDevice = on.dtype === "f32";
    const coef = onDevice ? await scanned(signal, method, on) : projected(signal, method);
    const picked = pick(golden, coef, channels * signal.stateSize);
    const recon = onDevice
      ? await drawn(picked, basis, signal.stateSize, on)
      : reconstruct(picked, basis, signal.stateSize);
    return { values: { coef, recon, eval_matrix: basis } };
  },
};

interface Signal {
  /**                                                                   [length, channel] */
  readonly values: Float64Array;
  readonly length: number;
  readonly channels: number;
  readonly stateSize: number;
  /** Step as a share of the window; undefined for LegS. */
  readonly dt: number | undefined;
}

/** Coefficients of the steps that a case reconstructs.       [picked·channel, state] */
function pick(golden: GoldenCase, coef: Float64Array, width: number): Float64Array {
  const picks = valuesOf(golden, "recon_steps");
  const out = new Float64Array(picks.length * width);
  picks.forEach((step, i) => out.set(coef.subarray(step * width, (step + 1) * width), i * width));
  return out;
}

/** By the definition. */
function projected(signal: Signal, method: DiscretizeOptions): Float64Array {
  const { values, channels, stateSize, dt } = signal;
  const options = { ...method, channels, stateSize };
  return dt === undefined ? projectLegs(values, options) : projectLegt(values, { ...options, dt });
}

/** By the member, or where it has no such rule by the op beneath it. */
async function scanned(
  signal: Signal,
  method: DiscretizeOptions,
  on: GoldenDevice,
): Promise<Float64Array> {
  const { values, length, channels, stateSize, dt } = signal;
  const u = asDtype(tensorOf([1, length, channels], values), on.dtype);
  const common = { feature: channels, state: stateSize, start: 1, delayMin: 0, delayMax: 0 };
  const rule = method.method;
  if (rule === "zoh" && dt === undefined) {
    const unused = { window: 1, discretization: rule } as const;
    const config = { ...common, ...unused, measure: "legs" } as const;
    return await coefficientsOf(hippoCoefficients(on.device, config, u), on);
  }
  if ((rule === "zoh" || rule === "bilinear") && dt !== undefined) {
    const window = { window: 1 / dt, discretization: rule } as const;
    const config = { ...common, ...window, measure: "lmu" } as const;
    return await coefficientsOf(hippoCoefficients(on.device, config, u), on);
  }
  const lmu = hippoTransition("lmu", stateSize);
  const systems = Array.from(
    { length },
    (_, k) =>
      dt === undefined
        ? legsStep(stateSize, k, method)
        : discretizeDense(lmu.A, lmu.B, { ...method, stateSize, dt }),
  );
  const joined = (of: (system: DiscreteSystem) => Float64Array, shape: readonly number[]) =>
    asDtype(
      tensorOf([1, length, ...shape], Float64Array.from(systems.flatMap((each) => [...of(each)]))),
      on.dtype,
    );
  const { states, state } = runOp(on.device, sharedScan, {
    u,
    A: joined(({ Abar }) => Abar, [stateSize, stateSize]),
    B: joined(({ Bbar }) => Bbar, [stateSize]),
  }, {});
  return await coefficientsOf({ coefficients: states, state: { state } }, on);
}

async function coefficientsOf(
  { coefficients, state }: ReturnType<typeof hippoCoefficients>,
  on: GoldenDevice,
): Promise<Float64Array> {
  for (const tensor of Object.values(state)) on.device.free(tensor);
  return valuesF64(await take(on, coefficients));
}

/** The history by a product with the basis on the device. */
async function drawn(
  coefficients: Float64Array,
  basis: Float64Array,
  stateSize: number,
  on: GoldenDevice,
): Promise<Float64Array> {
  const rows = (data: Float64Array) =>
    asDtype(tensorOf([data.length / stateSize, stateSize], data), on.dtype);
  const inputs = { a: rows(coefficients), b: rows(basis) };
  const { c } = runOp(on.device, matmul, inputs, { transposeB: true });
  return valuesF64(await take(on, c));
}
