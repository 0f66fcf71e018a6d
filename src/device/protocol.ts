/** Messages between a GPU device on the caller's thread and the Worker that owns the GPU. */
import { DTYPE_BYTES } from "../tensor/tensor.ts";
import type { AdapterSummary, BufferHandle, GpuLimits } from "./device.ts";
import type { Packed } from "./packing.ts";

/** What a pipeline is compiled from; sent once, then named by its number. */
export interface Program {
  readonly shader: string;
  readonly entry: string;
  readonly constants: Readonly<Record<string, number | string>>;
  /** The shader variables that a launch binds, in its order. */
  readonly names: readonly string[];
  /** The sizes that a launch has, in its order. */
  readonly dims: readonly string[];
  /** The variables that lie in the buffers of these. */
  readonly packed: Packed;
}

/** A launch as the Worker sees it; `launch_code.ts` says how it travels. */
export interface WireLaunch {
  /** Number of a program that was sent before. */
  readonly program: number;
  /** Sizes in the order of the program. */
  readonly dims: readonly number[];
  /** A buffer for each of the program's variables, and how many of its bytes. */
  readonly bindings: readonly WireBinding[];
  readonly workgroups: readonly [number, number, number];
}

/** A buffer as a launch sees it. */
export interface WireBinding {
  readonly id: number;
  /** First byte. */
  readonly offset: number;
  readonly bytes: number;
}

/** Leading bytes of a buffer, or of a view of one. */
export function wireBinding({ id, view }: BufferHandle, bytes: number): WireBinding {
  return { id: view?.of ?? id, offset: (view?.start ?? 0) * DTYPE_BYTES.f32, bytes };
}

/** Some of a batch's launches: how many from which number on. */
export interface LaunchRange {
  readonly at: number;
  readonly count: number;
}

/** One step of a batch; steps run in order. */
export type Command =
  | { kind: "create"; id: number; bytes: number }
  | { kind: "destroy"; id: number }
  | { kind: "write"; id: number; offset: number; data: ArrayBuffer }
  | { kind: "program"; number: number; program: Program }
  | { kind: "forgetPrograms" }
  | { kind: "launch"; range: LaunchRange }
  /** `into`: memory for what is read, handed over and back with it. */
  | { kind: "read"; request: number; from: WireBinding; into?: ArrayBuffer | undefined }
  | { kind: "compile"; request: number; program?: number }
  | { kind: "time"; request: number; range: LaunchRange; repeats: number };

/** To the Worker. */
export type Request =
  | { kind: "open"; generation: number; fastReadback: boolean }
  | { kind: "batch"; generation: number; commands: Command[]; numbers: Float64Array<ArrayBuffer> }
  | { kind: "lose" }
  | { kind: "close" };

/** From the Worker. */
export type Answer =
  | { kind: "started"; thread: number | undefined }
  | { kind: "opened"; generation: number; info: AdapterSummary; limits: GpuLimits }
  | { kind: "unavailable"; reason: string }
  | { kind: "data"; request: number; data: ArrayBuffer }
  | { kind: "times"; request: number; milliseconds: number[] }
  | { kind: "compiled"; request: number; count: number }
  | { kind: "failed"; request: number; message: string }
  | { kind: "fault"; message: string }
  | { kind: "lost"; generation: number; reason: string }
  | { kind: "closed" };
