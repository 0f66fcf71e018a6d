/** Gradients by a model's arrays from those by its slices. */
import type { GpuLimits } from "../../device/device.ts";
import { gradientName, type LaunchPlan } from "../op.ts";
import type { KalmanRun, ModelPlace } from "./kalman_model.ts";
import { groupsFor, POINTWISE_GROUP, spreadGroups } from "./plan.ts";
import { columnSums } from "./reduce.ts";

/** What the sums are made for. */
interface Collecting {
  readonly run: KalmanRun;
  readonly places: readonly ModelPlace[];
  readonly limits: GpuLimits;
}

/**
 * Passes that add the scratch `slices`, a packed gradient of the model in each of its rows, over
 * what shares a slice of an array.
 *
 * @param rows   of `slices`: one for each sample, or for each chunk where no array varies by sample
 * @param width  elements of a packed model
 */
export function collectSlices(
  { run: { batch, length }, places, limits }: Collecting,
  rows: number,
  width: number,
): Pick<LaunchPlan, "scratch" | "passes">[] {
  return places.filter(({ given }) => given).map(({ part, axes, size, offset }) => {
    const target = gradientName(part);
    if (axes === 0) {
      const sums = { target, left: "slices", rows, columns: size, stride: width, offset };
      return columnSums(sums);
    }
    const slices = axes === 1 ? batch : batch * length;
    const count = slices * size;
    return {
      scratch: {},
      passes: [{
        shader: "shared/run_sums",
        entry: "sum_runs",
        constants: { GROUP: POINTWISE_GROUP },
        dims: { count, size, span: rows / slices, stride: width, offset },
        bindings: ["left=slices", `sums=${target}`],
        workgroups: spreadGroups(groupsFor(count, POINTWISE_GROUP), limits),
      }],
    };
  });
}
