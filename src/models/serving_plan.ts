/** How a backbone serves on a device: what `openServing` chooses between. */
import type { Launch } from "../device/device.ts";
import type { DeviceTensor } from "../device/mod.ts";
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

/** One way to serve. */
export interface ServingPlan {
  /** Where the states are. */
  readonly tables: StateTables;
  /** Places of the rings of last inputs; 1 where there are none. */
  readonly ring: number;
  /**
   * Issues one step; every stream of the batch is advanced.
   *
   * @param oldest  by slot, where its rings begin
   * @returns the outputs, and whether they are to be freed when read           [batch, output]
   */
  step(samples: ServingSamples, oldest: Uint8Array): { y: DeviceTensor; isOwned: boolean };
  /** What a step of so many samples launches on a GPU; undefined on a CPU, or where it varies. */
  launches?(batch: number): readonly Launch[] | undefined;
  /** Gives all memory back. */
  free(): void;
}
