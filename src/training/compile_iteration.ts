import { type Device, recordLaunches, WebGpuDevice } from "../device/mod.ts";
import type { Training } from "./training.ts";

/**
 * Compiles what an iteration needs before the first one: one is run on a device that only takes its
 * launches down, from the same first minibatch. On a CPU there is nothing to compile.
 *
 * @param open        opens the training on the device that it is given
 * @param onProgress  told how many of how many programs are ready
 * @returns           how many pipelines were compiled
 * @throws {LimitError} an iteration has more programs than pipelines are kept
 */
export async function compileIteration<M>(
  device: Device,
  open: (device: Device) => Training<M>,
  onProgress?: (done: number, total: number) => void,
): Promise<number> {
  if (!(device instanceof WebGpuDevice)) return 0;
  const launches = await recordLaunches(device.limits, (recorder) => {
    const training = open(recorder);
    training.iterate();
    training.release();
  });
  return await device.compileAhead(launches, onProgress);
}
