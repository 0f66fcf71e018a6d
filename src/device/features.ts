/**
 * What an adapter offers beyond WebGPU's core: asked for where it is there, believed where it is
 * proved.
 *
 * The runtime hides the feature "subgroups" from `adapter.features`, yet grants it and compiles
 * shaders that use it, as long as these leave out the line `enable subgroups;`. So it is asked for
 * on trust, and a small shader then shows what a subgroup really is.
 */
import type { Readback } from "./readback.ts";
import { expandShader, type ShaderSource } from "./wgsl.ts";

/** A device and which features it was given. */
export interface FeaturedDevice {
  readonly device: GPUDevice;
  readonly timestamps: boolean;
  readonly f16: boolean;
  /** The feature was granted; {@linkcode probeSubgroups} tells what it is worth. */
  readonly subgroups: boolean;
}

/** Opens an adapter's device with all of the features that Driftline's shaders have a use for. */
export async function requestFeatured(
  adapter: GPUAdapter,
  requiredLimits: Record<string, number>,
): Promise<FeaturedDevice> {
  const timestamps = adapter.features.has("timestamp-query");
  const f16 = adapter.features.has("shader-f16");
  const known: GPUFeatureName[] = [];
  if (timestamps) known.push("timestamp-query");
  if (f16) known.push("shader-f16");
  try {
    const requiredFeatures = [...known, "subgroups" as GPUFeatureName];
    const device = await adapter.requestDevice({ requiredFeatures, requiredLimits });
    return { device, timestamps, f16, subgroups: true };
  } catch {
    // Not listed, so a refusal is an ordinary answer; what else is wrong shows without it, too.
    const device = await adapter.requestDevice({ requiredFeatures: known, requiredLimits });
    return { device, timestamps, f16, subgroups: false };
  }
}

const ROW_WORDS = 4;
/** Workgroups of these sizes must be cut into subgroups alike. */
const PROBED_INVOCATIONS = [64, 256];

/**
 * The size of a subgroup, the same in every shader, with lanes in the order of the invocations'
 * index; 0 where the device has no such subgroups.
 */
export async function probeSubgroups(
  device: GPUDevice,
  readback: Readback,
  source: ShaderSource,
): Promise<number> {
  const sizes = new Set<number>();
  for (const invocations of PROBED_INVOCATIONS) {
    const rows = await probeRows(device, readback, source, invocations);
    sizes.add(rows === undefined ? 0 : subgroupSizeOf(rows));
  }
  return sizes.size === 1 ? [...sizes][0]! : 0;
}

async function probeRows(
  device: GPUDevice,
  readback: Readback,
  source: ShaderSource,
  invocations: number,
): Promise<Uint32Array | undefined> {
  device.pushErrorScope("validation");
  const constants = { INVOCATIONS: invocations };
  const code = expandShader("shared/subgroup_probe", constants, source);
  const bytes = invocations * ROW_WORDS * Uint32Array.BYTES_PER_ELEMENT;
  const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC;
  const rows = device.createBuffer({ size: bytes, usage });
  const pipeline = device.createComputePipeline({
    layout: "auto",
    compute: { module: device.createShaderModule({ code }), entryPoint: "probe" },
  });
  if (await device.popErrorScope()) return undefined;
  const encoder = device.createCommandEncoder();
  const pass = encoder.beginComputePass();
  pass.setPipeline(pipeline);
  const entries = [{ binding: 0, resource: { buffer: rows } }];
  const layout = pipeline.getBindGroupLayout(0);
  pass.setBindGroup(0, device.createBindGroup({ layout, entries }));
  pass.dispatchWorkgroups(1);
  pass.end();
  device.queue.submit([encoder.finish()]);
  const words = new Uint32Array(await readback.read(rows, bytes));
  rows.destroy();
  return words;
}

/**
 * Reads the probe's rows (size, lane, sum of indices, index of the lane beside) of a workgroup.
 *
 * @returns the size of a subgroup; 0 where the rows contradict subgroups of consecutive invocations
 */
export function subgroupSizeOf(rows: Uint32Array): number {
  const size = rows[0]!;
  const count = rows.length / ROW_WORDS;
  const isPower = size >= 4 && (size & (size - 1)) === 0;
  if (!isPower || count % size !== 0) return 0;
  for (let i = 0; i < count; i++) {
    const first = i - i % size;
    const expected = [size, i % size, size * first + size * (size - 1) / 2, i ^ 1];
    if (expected.some((word, part) => rows[i * ROW_WORDS + part] !== word)) return 0;
  }
  return size;
}
