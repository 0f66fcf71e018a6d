import { type Device, recordLaunches, WebGpuDevice } from "../device/mod.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { Backbone } from "./backbone.ts";
import { openServing, type Serving, type ServingOptions } from "./serving.ts";

/** A step of so many streams, then one of them to the host and back. */
async function rehearse(serving: Serving, batch: number, feature: number): Promise<void> {
  const slots = serving.open(batch);
  await serving.step({ slots, inputs: new Float32Array(batch * feature) });
  serving.write(slots[0]!, await serving.read(slots[0]!));
  serving.release(slots);
}

/**
 * Compiles what serving a backbone needs before its first sample, at start-up: for streams opened,
 * stepped, read and written. On a CPU there is nothing to compile.
 *
 * @param batches     counts of streams that steps will have, each at most the capacity
 * @param onProgress  told how many of how many programs are ready
 * @returns           how many pipelines were compiled
 * @throws as `openServing`
 * @throws {LimitError} more programs than pipelines are kept
 */
export async function compileServing(
  device: Device,
  backbone: Backbone,
  tensors: Readonly<Record<string, Tensor>>,
  options: ServingOptions,
  batches: readonly number[],
  onProgress?: (done: number, total: number) => void,
): Promise<number> {
  if (!(device instanceof WebGpuDevice)) return 0;
  const { input } = backbone.config;
  const launches = await recordLaunches(device.limits, async (recorder) => {
    const serving = openServing(recorder, backbone, tensors, options);
    for (const batch of batches) {
      await rehearse(serving, batch, input.kind === "tokens" ? 1 : input.feature);
    }
    serving.close();
  });
  return await device.compileAhead(launches, onProgress);
}
