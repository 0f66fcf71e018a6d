/** Messages between a GPU device on the caller's thread and the Worker that owns the GPU. */
import type { AdapterSummary, GpuLimits } from "./device.ts";

/** A launch whose buffers are ids: what {@linkcode Launch} becomes on its way to the Worker. */
export interface WireLaunch {
  readonly shader: string;
  readonly entry: string;
  readonly constants: Readonly<Record<string, number | string>>;
  readonly dims: Readonly<Record<string, number>>;
  readonly bindings: readonly WireBinding[];
  readonly workgroups: readonly [number, number, number];
}

/** A shader variable, the buffer bound to it, and how many of its bytes. */
export interface WireBinding {
  readonly name: string;
  readonly id: number;
  readonly bytes: number;
}

/** One step of a batch; steps run in order. */
export type Command =
  | { kind: "create"; id: number; bytes: number }
  | { kind: "destroy"; id: number }
  | { kind: "write"; id: number; data: ArrayBuffer }
  | { kind: "launch"; launches: readonly WireLaunch[] }
  | { kind: "read"; request: number; id: number; bytes: number }
  | { kind: "time"; request: number; launches: readonly WireLaunch[]; repeats: number };

/** To the Worker. */
export type Request =
  | { kind: "open"; generation: number; fastReadback: boolean }
  | { kind: "batch"; generation: number; commands: Command[] }
  | { kind: "lose" }
  | { kind: "close" };

/** From the Worker. */
export type Answer =
  | { kind: "started"; thread: number | undefined }
  | { kind: "opened"; generation: number; info: AdapterSummary; limits: GpuLimits }
  | { kind: "unavailable"; reason: string }
  | { kind: "data"; request: number; data: ArrayBuffer }
  | { kind: "times"; request: number; milliseconds: number[] }
  | { kind: "failed"; request: number; message: string }
  | { kind: "fault"; message: string }
  | { kind: "lost"; generation: number; reason: string }
  | { kind: "closed" };
