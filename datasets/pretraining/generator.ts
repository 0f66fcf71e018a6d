import type { RandomState } from "../../src/base/random.ts";

/** A series as a generator makes it, before augmentation. */
export interface Draft {
  /** One value a slot; NaN where there is none.                          [length] */
  readonly values: Float64Array;
  /** Slots from 0 on that hold the series; later ones are NaN. */
  readonly count: number;
  /** The true seasons in slots, the short one first; 0 = none. */
  readonly seasons: readonly [number, number];
}

/** The contract of every generator of pretraining series. */
export interface Generator {
  /** Its name in a recipe: lower case and hyphens. */
  readonly name: string;
  /** What it draws, in one sentence, for the model card. */
  readonly summary: string;
  /** A series of `length` slots: a pure function of the state of the random numbers. */
  draw(random: RandomState, length: number): Draft;
}
