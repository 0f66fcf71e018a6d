/** The hub of the devices. */
export type {
  AdapterSummary,
  CpuDevice,
  Device,
  DeviceTensor,
  GpuDevice,
  GpuLimits,
} from "./device.ts";
export { openCpu } from "./cpu.ts";
export { openScope, type ScopedDevice } from "./scope.ts";
