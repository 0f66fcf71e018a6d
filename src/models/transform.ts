/**
 * Value transforms under which errors are more even: the logarithm where all values are positive,
 * the square root where none is negative.
 */
export type Transform = "none" | "log" | "sqrt";

/** The transform that a series allows, from its smallest value. */
export function transformFor(smallest: number): Transform {
  if (smallest > 0) return "log";
  return smallest === 0 ? "sqrt" : "none";
}

/** Value to transformed value; a value outside the domain is taken at `floor`. */
export function applyTransform(transform: Transform, value: number, floor: number): number {
  switch (transform) {
    case "none":
      return value;
    case "log":
      return Math.log(value > 0 ? value : floor);
    case "sqrt":
      return Math.sqrt(value >= 0 ? value : 0);
    default:
      return transform satisfies never;
  }
}

/** The inverse of {@linkcode applyTransform}; a negative root counts as 0. */
export function invertTransform(transform: Transform, value: number): number {
  switch (transform) {
    case "none":
      return value;
    case "log":
      return Math.exp(value);
    case "sqrt":
      return value > 0 ? value * value : 0;
    default:
      return transform satisfies never;
  }
}
