/** How a backbone serves on a device: what `openServing` chooses between. */
import type { Launch } from "../device/device.ts";
import type { Device, DeviceTensor } from "../device/mod.ts";
import type { StateTables } from "./serving_tables.ts";

/** A batch of samples, checked: distinct slots, finite numbers. */
export interface ServingSamples {
  readonly slots: ArrayLike<number>;
  /** [batch, feature], or tokens [batch] */
  readonly inputs: ArrayLike<number>;
  /** Sampling periods since the stream's last sample; 1 where absent.              [batch] */
  readonly elapsed?: ArrayLike<number> | undefined;
  /** The same of each layer, in place of `elapsed`; for blocks that run op by op.     [layer] */
  readonly clocks?: readonly ArrayLike<number>[] | undefined;
}

/** Copies the outputs of a step to the host; called once, before the next step is issued. */
export type ReadOutputs = () => Promise<Float32Array>;

/** Reads outputs from where a step left them; `isOwned` where they are to be freed then. */
export function readerOf(device: Device, y: DeviceTensor, isOwned: boolean): ReadOutputs {
  return async () => {
    try {
      // On the CPU the next step may write where this one's outputs lie.
      if (device.kind === "cpu") return new Float32Array(device.arrayOf(y));
      return (await device.read(y)).data as Float32Array;
    } finally {
      if (isOwned) device.free(y);
    }
  };
}

/** One way to serve. */
export interface ServingPlan {
  /** Where the states are. */
  readonly tables: Pick<StateTables, "reset" | "read" | "write">;
  /** Places of the rings of last inputs; 1 where there are none. */
  readonly ring: number;
  /**
   * Issues one step; every stream of the batch is advanced.
   *
   * @param oldest  by slot, where its rings begin
   * @returns reads the outputs                                                 [batch, output]
   */
  step(samples: ServingSamples, oldest: Uint8Array): ReadOutputs;
  /** What a step of so many samples launches on a GPU; undefined on a CPU, or where it varies. */
  launches?(batch: number): readonly Launch[] | undefined;
  /** Gives all memory back. */
  free(): void;
}
