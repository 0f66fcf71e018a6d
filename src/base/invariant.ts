/**
 * Stops on a programmer's fault. Never for data from the world: a bad sample is counted and
 * answered, not asserted. Stands for `assert` of JSR's `@std/assert`.
 *
 * @throws {Error} when `condition` is false
 */
export function invariant(condition: unknown, message: string): asserts condition {
  if (!condition) throw new Error(`Invariant broken: ${message}`);
}
