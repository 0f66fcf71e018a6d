/**
 * A GPU that computes nothing: it has given limits, and each launch is held to them and to the text
 * of its shader. So the way of a layer over any length, gradients included, is followed in
 * milliseconds, on machines without a GPU too.
 */
import { LimitError } from "../../base/errors.ts";
import type { GpuDevice, GpuLimits, Launch } from "../../device/device.ts";
import { packShader } from "../../device/packing.ts";
import { shaderFile } from "../../device/pipelines.ts";
import { openRecorder } from "../../device/recorder.ts";
import { expandShader, interfaceOf } from "../../device/wgsl.ts";
import type { OpRun } from "../../ops/run.ts";
import { type WorkgroupNeeds, workgroupNeeds } from "./workgroup.ts";

/** The limits that WebGPU guarantees (its specification, section 3.6.2, default values). */
export const WEBGPU_LIMITS: GpuLimits = {
  workgroupBytesMax: 16_384,
  invocationsMax: 256,
  storageBuffersMax: 8,
  bindingBytesMax: 134_217_728,
  workgroupsPerAxisMax: 65_535,
  subgroupSize: 0,
  f16: false,
};

/**
 * What desktops and servers have at least, software Vulkan included. Metal has the fewest buffers:
 * 31, of which one holds the sizes.
 */
export const DESKTOP_LIMITS: GpuLimits = {
  ...WEBGPU_LIMITS,
  workgroupBytesMax: 32_768,
  invocationsMax: 1024,
  storageBuffersMax: 30,
};

/** A planner, and what was asked of it. */
export interface Planner {
  readonly device: GpuDevice;
  /** The runs of ops so far, in order; those of a backward are not among them. */
  readonly runs: readonly OpRun[];
  /** Launches so far. */
  readonly launches: number;
  /** Most storage buffers of one launch so far. */
  readonly buffers: number;
}

/** Constants of a launch decide the text, so a text is read once for each set of them. */
const declared = new Map<string, ReturnType<typeof interfaceOf> & WorkgroupNeeds>();

function declaredBy({ shader, entry, constants, packed = {} }: Launch) {
  const key = JSON.stringify([shader, entry, constants, packed]);
  let known = declared.get(key);
  if (known === undefined) {
    const text = packShader(expandShader(shader, constants, shaderFile), packed);
    known = { ...interfaceOf(text), ...workgroupNeeds(entry, text, constants) };
    declared.set(key, known);
  }
  return known;
}

function checkLaunch(launch: Launch, limits: GpuLimits): void {
  const { storage, bytes: own, invocations } = declaredBy(launch);
  const { workgroupBytesMax, invocationsMax } = limits;
  if (own > workgroupBytesMax) {
    throw new LimitError("workgroupBytesMax", workgroupBytesMax, own, launch.entry);
  }
  if (invocations > invocationsMax) {
    throw new LimitError("invocationsMax", invocationsMax, invocations, launch.entry);
  }
  for (const [variable, { bytes }] of Object.entries(launch.bindings)) {
    if (!storage.has(variable)) {
      throw new SyntaxError(`Shader ${launch.shader} declares no storage variable "${variable}"`);
    }
    if (bytes > limits.bindingBytesMax) {
      throw new RangeError(`Shader ${launch.shader} binds ${bytes} bytes as "${variable}"`);
    }
  }
}

/**
 * Opens a planner. Its tensors have shapes and no values: whatever is read from it is 0. That a
 * launch binds no more buffers than the limits allow is checked where ops are run.
 */
export function openPlanner(limits: GpuLimits): Planner {
  let launches = 0;
  let buffers = 0;
  const runs: OpRun[] = [];
  const recorder = openRecorder(limits, (issued) => {
    for (const launch of issued) {
      checkLaunch(launch, limits);
      buffers = Math.max(buffers, Object.keys(launch.bindings).length);
    }
    launches += issued.length;
  });
  const device: GpuDevice & { record(run: OpRun): void } = {
    ...recorder,
    record: (run) => void runs.push(run),
  };
  return {
    device,
    runs,
    get launches() {
      return launches;
    },
    get buffers() {
      return buffers;
    },
  };
}
