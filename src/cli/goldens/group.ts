import type { Device } from "../../device/device.ts";
import type { Dtype } from "../../tensor/tensor.ts";
import type { ComparisonRules, Computed } from "./compare.ts";
import type { GoldenCase } from "./golden_file.ts";

/** Where a case runs: the twins in f64 on the CPU, or the shaders in f32. */
export interface GoldenDevice {
  readonly device: Device;
  readonly dtype: Dtype;
}

/** The code that reproduces one group, chosen by what a case says and holds, never by its name. */
export interface GroupRunner {
  /** Name of the pair of files. */
  readonly group: string;
  /** Whether the group has ops with shaders, and so rows in f32 in the table. */
  readonly onGpu: boolean;
  /**
   * Computes what the case compares.
   *
   * @throws {SyntaxError} the case lacks a tensor or a scalar that its kind needs
   */
  run(golden: GoldenCase, on: GoldenDevice): Promise<Computed> | Computed;
  /** How its comparisons differ from the plain rule. */
  readonly rules?: ComparisonRules;
}
