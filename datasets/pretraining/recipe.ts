import { InvalidValueError } from "../../src/base/errors.ts";
import { GENERATORS } from "./generators.ts";

/** How pretraining series are mixed and changed: plain JSON, kept beside the weights. */
export interface Recipe {
  /** Weight of each generator among the synthetic series, by name; absent = 0. */
  readonly generators: Readonly<Record<string, number>>;
  /** Share of the windows that are crops of real series. */
  readonly realShare: number;
  /** Share of the windows that are convex mixtures of two or three standardized series. */
  readonly mixShare: number;
  /** Share that breaks: another level, slope, swing or noise from some slot on. */
  readonly breakShare: number;
  /** Share with a fault of the sensor. */
  readonly faultShare: number;
  /** Share turned upside down. */
  readonly signFlipShare: number;
  /** Share read backwards; of whole windows only. */
  readonly timeFlipShare: number;
  /** Share with samples dropped at random, up to half of them. */
  readonly dropShare: number;
  /** Share with one missing block of 2 to 60 slots. */
  readonly gapShare: number;
  /** Share whose samples come off the beat, each at a time of its own. */
  readonly jitterShare: number;
  /**
   * Share whose seasons are told as a finder sees them in the window's own beginning; where
   * {@linkcode drawSeries} is given no finder, they are told as in the other windows.
   */
  readonly hintFoundShare: number;
  /** Shares of the hints of the seasons that are left out, or are some other number. */
  readonly hintDropShare: number;
  readonly hintWrongShare: number;
  /** Share told a multiple of the season, or the second season alone, as a finder may report. */
  readonly hintMultipleShare: number;
  /** Share of true second seasons left out, and of absent ones told. */
  readonly secondDropShare: number;
  readonly secondFalseShare: number;
}

/** Three quarters synthetic, one quarter real. */
export const DEFAULT_RECIPE: Recipe = {
  generators: {
    "seasonal": 27,
    "gaussian-process": 8,
    "business": 18,
    "trade": 6,
    "visits": 5,
    "demand": 10,
    "energy": 8,
    "auction": 5,
    "traffic": 5,
    "environment": 8,
    "epidemic": 5,
    "cycles": 6,
    "counts": 4,
    "price": 5,
    "oscillator": 3.5,
    "states": 3.5,
    "brain-waves": 2.5,
    "sound": 1,
    "pulses": 2.5,
  },
  realShare: 0.25,
  mixShare: 0.08,
  breakShare: 0.12,
  faultShare: 0.06,
  signFlipShare: 0.18,
  timeFlipShare: 0.05,
  dropShare: 0.25,
  gapShare: 0.15,
  jitterShare: 0.1,
  hintFoundShare: 0.5,
  hintDropShare: 0.1,
  hintWrongShare: 0.03,
  hintMultipleShare: 0.04,
  secondDropShare: 0.3,
  secondFalseShare: 0.3,
};

/**
 * A recipe from JSON; what is absent is as in the default.
 *
 * @throws {InvalidValueError} an unknown field or generator, a share outside 0 to 1, a weight
 *   below 0, or no weight above 0
 */
export function parseRecipe(json: unknown): Recipe {
  if (typeof json !== "object" || json === null || Array.isArray(json)) {
    throw new InvalidValueError("recipe", json, "an object");
  }
  for (const [name, value] of Object.entries(json)) {
    if (!Object.hasOwn(DEFAULT_RECIPE, name)) {
      throw new InvalidValueError("recipe", name, `one of ${Object.keys(DEFAULT_RECIPE)}`);
    }
    if (name !== "generators" && !(typeof value === "number" && value >= 0 && value <= 1)) {
      throw new InvalidValueError(`recipe.${name}`, value, "a share from 0 to 1");
    }
  }
  const recipe = { ...DEFAULT_RECIPE, ...json } as Recipe;
  checkWeights(recipe.generators);
  if (recipe.realShare + recipe.mixShare > 1) {
    throw new InvalidValueError(
      "recipe.realShare + recipe.mixShare",
      recipe.realShare + recipe.mixShare,
      "at most 1",
    );
  }
  return recipe;
}

function checkWeights(weights: unknown): void {
  if (typeof weights !== "object" || weights === null || Array.isArray(weights)) {
    throw new InvalidValueError("recipe.generators", weights, "an object");
  }
  let total = 0;
  for (const [name, weight] of Object.entries(weights)) {
    if (!GENERATORS.some((generator) => generator.name === name)) {
      throw new InvalidValueError("recipe.generators", name, "the name of a generator");
    }
    if (!(typeof weight === "number" && weight >= 0 && Number.isFinite(weight))) {
      throw new InvalidValueError(`recipe.generators.${name}`, weight, "a weight of at least 0");
    }
    total += weight;
  }
  if (!(total > 0)) throw new InvalidValueError("recipe.generators", total, "a weight above 0");
}
