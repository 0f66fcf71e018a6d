/**
 * What an optimizer does differently for a parameter, told from its name in a backbone.
 *
 * The parameters of a state-space system that set its memory, the transition and the step size,
 * take no weight decay: decay would pull their logarithms to 0, another memory and not a smaller
 * one. They take a smaller rate, since a small change of them changes all of a long kernel (the S4
 * repository's 0.001 beside 0.004; S5, arXiv 2208.04933, appendix B; the published Mamba leaves out
 * the decay of A and D). Norms, biases and skips take no decay, as is customary.
 */
import { InvalidValueError } from "../base/errors.ts";

/** A group of parameters. */
export type ParameterGroup =
  /** Transition, step size and input matrix of a system: no decay, a smaller rate. */
  | "system"
  /** Norms, biases, skips: no decay. */
  | "plain"
  /** Weight matrices, embeddings, output matrices. */
  | "weight";

/** Names within a mixer that belong to its system. */
const SYSTEM: ReadonlySet<string> = new Set([
  ...["A", "B", "P", "Q", "logA", "lambda", "lambdaRe", "lambdaIm", "logDecay", "frequency"],
  ...["logDt", "dtBias", "logFrequency", "alpha", "delta", "beta"],
  "logDeviation",
]);

/** The group of a parameter by its flat name, `layers.0.mixer.logDt`. */
export function groupOf(name: string): ParameterGroup {
  const leaf = name.slice(name.lastIndexOf(".") + 1);
  if (name.includes(".mixer.") && SYSTEM.has(leaf)) return "system";
  const isNorm = /(^|\.)norm\./.test(name) || leaf === "normWeight";
  const isSkip = ["D", "shiftD", "omega"].includes(leaf);
  return isNorm || isSkip || /bias$/i.test(leaf) ? "plain" : "weight";
}

/**
 * The rule of an optimizer (`ofParameter`) by these groups.
 *
 * @param systemRate  rate of the parameters of systems, as a share of the others'; > 0
 */
export function byGroup(systemRate: number): (name: string) => {
  rateScale?: number;
  decay?: number;
} {
  if (!(systemRate > 0 && Number.isFinite(systemRate))) {
    throw new InvalidValueError("systemRate", systemRate, "a finite number above 0");
  }
  return (name) => {
    const group = groupOf(name);
    if (group === "weight") return {};
    return group === "plain" ? { decay: 0 } : { decay: 0, rateScale: systemRate };
  };
}
