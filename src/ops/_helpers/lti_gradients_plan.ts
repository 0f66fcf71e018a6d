/** The way back through a diagonal scan whose systems stay the same, on a GPU. */
import type { GpuLimits } from "../../device/device.ts";
import type { LaunchPlan, Pass } from "../op.ts";
import { CARRY_AHEAD, CARRY_GROUP, ltiChunkOf, ltiGeometry, ltiScanPlan } from "./lti_scan_plan.ts";
import type { LtiSizes } from "./lti_scan_plan.ts";
import { groupsFor } from "./plan.ts";
import { columnSums, joinPlans } from "./reduce.ts";

/**
 * Invocations of a workgroup: those of one wait for each other once a page only, and whole lines of
 * u and gradY are read. On an H100 the way back takes 0.56 ms with 256 and 0.69 with 64 (8 rows of
 * 4,096 samples, 512 features, 32 states).
 */
const INVOCATIONS = 256;

/**
 * The gradient of u, which is the scan itself walked from the end, then those of the bank by
 * `shaders/shared/lti_gradients.wgsl`; equations there.
 */
export function ltiBackwardPlan(
  sizes: LtiSizes,
  given: { readonly D: boolean; readonly x0: boolean },
  limits: GpuLimits,
): LaunchPlan {
  const { batch, feature, states } = sizes;
  const D = given.D ? "D" : undefined;
  const walk = ltiScanPlan({ ...sizes, adjoint: true }, {
    ...{ u: "gradY", A: "A", B: "C", C: "B", D, x0: "gradState", y: "gradU", ends: "flows" },
    state: given.x0 ? "gradX0" : "flow",
  }, limits);
  const flow = given.x0 ? {} : { flow: 2 * batch * feature * states };
  const bank = bankPlan(sizes, given, limits);
  return joinPlans({ scratch: { ...walk.scratch, ...flow }, passes: walk.passes }, bank);
}

function bankPlan(
  sizes: LtiSizes,
  given: { readonly D: boolean; readonly x0: boolean },
  limits: GpuLimits,
): LaunchPlan {
  const { batch, length, feature, states, scale } = sizes;
  const geometry = ltiGeometry(sizes, limits, INVOCATIONS);
  const tiles = groupsFor(feature, geometry.FEATURES);
  const chunk = ltiChunkOf(length, batch * feature * geometry.PARTS);
  const chunks = Math.max(1, groupsFor(length, chunk));
  const several = chunks > 1;
  const pass = (
    entry: string,
    bindings: readonly string[],
    workgroups: Pass["workgroups"],
  ): Pass => ({
    shader: "shared/lti_gradients",
    entry,
    constants: {
      ...geometry,
      // The scan's own: the sums over a block meet no one, and go forward.
      ...{ TILE: 0, SPAN: 0, BUFFERS: 0, ADJOINT: 0 },
      CHUNKED: several ? 1 : 0,
      CARRY_GROUP,
      CARRY_AHEAD,
      HAS_D: given.D ? 1 : 0,
      HAS_X0: given.x0 ? 1 : 0,
    },
    dims: { batch, length, feature, states, chunk, chunks, scale },
    bindings,
    workgroups,
  });
  const bank = feature * states;
  const carry = groupsFor(bank, CARRY_GROUP);
  const x0 = given.x0 ? ["x0"] : [];
  const first = several
    ? [
      pass("reduce_responses", ["u", "A", "starts"], [tiles, chunks - 1, batch]),
      pass("carry_responses", ["A", ...x0, "starts"], [carry, batch, 1]),
    ]
    : [];
  const sums = pass("sum_responses", [
    ...["u", "A", "B", "C", ...x0, "gradY", "gradState", "sums"],
    ...(several ? ["starts"] : []),
  ], [tiles, chunks, batch]);
  const finish = pass("finish_gradients", [
    ...["A", "B", "C", "totals", "gradA", "gradB", "gradC"],
    ...(given.D ? ["gradD"] : []),
  ], [carry, 1, 1]);
  const rows = batch * chunks;
  const columns = 6 * bank + (geometry.BLOCK + 1) * feature;
  const starts = several ? { starts: (given.x0 ? 8 : 4) * batch * (chunks - 1) * bank } : {};
  return joinPlans(
    { scratch: { ...starts, sums: rows * columns, totals: columns }, passes: [...first, sums] },
    columnSums({ target: "totals", left: "sums", rows, columns }),
    { scratch: {}, passes: [finish] },
  );
}
