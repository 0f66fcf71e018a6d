/**
 * One GPU device for a test file. Without an adapter its tests are skipped visibly; with
 * `REQUIRE_GPU=1` they fail instead. On a machine without a GPU, Debian's mesa-vulkan-drivers
 * gives a software adapter.
 */
import { openWebGpu, type WebGpuDevice } from "../src/device/webgpu.ts";

const faults: string[] = [];
const opened = await openWebGpu({ poison: true, log: (message) => faults.push(message) });

/** The file's device, or undefined where there is no adapter. Fresh memory is NaN. */
export const gpu: WebGpuDevice | undefined = "device" in opened ? opened.device : undefined;

/** Why there is no device. */
export const gpuUnavailable: string | undefined = "device" in opened
  ? undefined
  : opened.unavailable;

/** Whether the lack of an adapter is a failure. */
export const gpuRequired = Deno.env.get("REQUIRE_GPU") === "1";

/** What the device said in its log since the last call. */
export function takeFaults(): string[] {
  return faults.splice(0);
}

Deno.test.afterAll(async () => {
  await gpu?.close();
});

/** A test that needs the GPU. */
export function gpuTest(name: string, body: (device: WebGpuDevice) => Promise<void> | void): void {
  Deno.test({
    name,
    ignore: gpu === undefined && !gpuRequired,
    fn: async () => {
      if (!gpu) throw new Error(`REQUIRE_GPU=1 but there is no GPU: ${gpuUnavailable}`);
      await body(gpu);
    },
  });
}
