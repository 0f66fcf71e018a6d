import type { ActivationParams } from "../../ops/activation.ts";

const PLAIN = ["identity", "relu", "tanh", "sigmoid", "softplus"] as const;

/**
 * The activation that a case names by its reference's name.
 *
 * @returns  identity where it names none; undefined for one that this project does not have
 */
export function activationNamed(name: unknown): ActivationParams["kind"] | undefined {
  if (name === null || name === undefined) return "identity";
  const text = String(name);
  if (/gelu/.test(text)) return /tanh/.test(text) ? "gelu_tanh" : "gelu";
  if (/silu|swish/.test(text)) return "silu";
  return PLAIN.find((known) => known === text);
}
