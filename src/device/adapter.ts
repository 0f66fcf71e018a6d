/** The machine's GPU adapter: who it is, what it lets launches use, and its opened device. */
import type { AdapterSummary, GpuLimits } from "./device.ts";
import { probeSubgroups, requestFeatured } from "./features.ts";
import { shaderFile } from "./pipelines.ts";
import { Readback } from "./readback.ts";

/** Workgroups along one axis that every WebGPU device takes. */
const WORKGROUPS_PER_AXIS_MAX = 65_535;
const SOFTWARE_ADAPTERS = /llvmpipe|lavapipe|swiftshader|software|softpipe|basic render/i;

/** Why there is no GPU here, in words for a user. */
export class GpuUnavailableError extends Error {
  override readonly name = "GpuUnavailableError";
}

/** Package that gives Debian a software Vulkan driver. */
export const SOFTWARE_DRIVER_PACKAGE = "mesa-vulkan-drivers";

/** A device, and what is known of its adapter. */
export interface OpenedAdapter {
  readonly device: GPUDevice;
  readonly info: AdapterSummary;
  readonly limits: GpuLimits;
  readonly readback: Readback;
}

/**
 * Opens the machine's adapter with all that it offers.
 *
 * @param allowFast  reads may skip awaiting where a probe proves it right
 * @throws {GpuUnavailableError} no WebGPU or no adapter; the message names what to install
 */
export async function openAdapter(allowFast: boolean): Promise<OpenedAdapter> {
  // The type of `navigator` differs between a window and a Worker, where this runs.
  const { gpu } = navigator as { gpu?: GPU };
  if (!gpu) throw new GpuUnavailableError("This runtime has no WebGPU");
  const adapter = await gpu.requestAdapter({ powerPreference: "high-performance" });
  if (!adapter) {
    throw new GpuUnavailableError(
      `No WebGPU adapter: install a Vulkan driver (Debian: ${SOFTWARE_DRIVER_PACKAGE})`,
    );
  }
  const most = adapter.limits;
  const { device, timestamps, f16, subgroups } = await requestFeatured(adapter, {
    maxComputeWorkgroupStorageSize: most.maxComputeWorkgroupStorageSize,
    maxComputeInvocationsPerWorkgroup: most.maxComputeInvocationsPerWorkgroup,
    maxComputeWorkgroupSizeX: most.maxComputeWorkgroupSizeX,
    maxStorageBuffersPerShaderStage: most.maxStorageBuffersPerShaderStage,
    maxStorageBufferBindingSize: most.maxStorageBufferBindingSize,
    maxBufferSize: most.maxBufferSize,
    maxComputeWorkgroupsPerDimension: most.maxComputeWorkgroupsPerDimension,
  });
  const readback = await Readback.open(device, allowFast);
  const subgroupSize = subgroups ? await probeSubgroups(device, readback, shaderFile) : 0;
  const { vendor, device: name, description } = adapter.info;
  const software = adapter.info.isFallbackAdapter === true ||
    SOFTWARE_ADAPTERS.test(`${vendor} ${name} ${description}`);
  const info: AdapterSummary = {
    vendor,
    device: name,
    description,
    software,
    fastReadback: readback.fast,
    timestamps,
  };
  const limits = { ...limitsOf(most), subgroupSize, f16, isSoftware: software };
  return { device, info, limits, readback };
}

/** What launches may use of an adapter's limits. */
export function limitsOf(most: GPUSupportedLimits): Omit<GpuLimits, "subgroupSize" | "f16"> {
  return {
    workgroupBytesMax: most.maxComputeWorkgroupStorageSize,
    invocationsMax: most.maxComputeInvocationsPerWorkgroup,
    storageBuffersMax: most.maxStorageBuffersPerShaderStage,
    bindingBytesMax: Math.min(most.maxStorageBufferBindingSize, most.maxBufferSize),
    // Drivers report more than the runtime then lets a dispatch take.
    workgroupsPerAxisMax: Math.min(most.maxComputeWorkgroupsPerDimension, WORKGROUPS_PER_AXIS_MAX),
  };
}
