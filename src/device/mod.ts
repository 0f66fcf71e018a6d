/** The hub of the devices. */
export { openCpu } from "./cpu.ts";
export {
  costLine,
  type Crossover,
  crossoverOf,
  type CrossoverTable,
  measureCrossover,
  type TimedRun,
} from "./crossover.ts";
export type {
  AdapterSummary,
  CpuDevice,
  Device,
  DeviceTensor,
  GpuDevice,
  GpuLimits,
} from "./device.ts";
export { VIEW_ELEMENTS, viewOf } from "./device.ts";
export { Hardware, type HardwareOptions, openHardware } from "./hardware.ts";
export {
  type DenseActivation,
  denseBytes,
  type DenseMatrix,
  denseMatrixBytes,
  DenseUnit,
} from "./dense.ts";
export { type PackedArea, type PackedKernels, packedUnit } from "./packed.ts";
export { layOutPass, type PassArrays, passUnit } from "./pass_unit.ts";
export { recordLaunches } from "./recorder.ts";
export { SIMD_THREADS_MAX, type SimdOptions } from "./simd.ts";
export { openScope, type ScopedDevice } from "./scope.ts";
export { openWebGpu, WebGpuDevice, type WebGpuOptions } from "./webgpu.ts";
