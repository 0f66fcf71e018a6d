/**
 * When is a GPU worth its trip? Both devices are timed on two sizes of an op; a straight line
 * through each gives fixed cost and cost per unit of work, and the lines cross at the size from
 * which on the GPU wins.
 */
import type { Clock } from "../base/clock.ts";
import { InvalidValueError } from "../base/errors.ts";

/** Cost of an op on one device: fixed + perWork · work, milliseconds. */
export interface CostLine {
  readonly fixedMs: number;
  readonly perWorkMs: number;
}

/** What was measured for one op. */
export interface Crossover {
  readonly cpu: CostLine;
  readonly gpu: CostLine;
  /** Units of work from which on the GPU is faster; Infinity where it never is. */
  readonly work: number;
}

/** Measured crossovers by op name. An op that is missing stays on the CPU. */
export type CrossoverTable = Readonly<Record<string, Crossover>>;

/** One size of an op, ready to run to its result on the host. */
export interface TimedRun {
  readonly work: number;
  cpu(): Promise<void>;
  gpu(): Promise<void>;
}

/** Runs of one size; the fastest counts, since noise only adds. */
export const CROSSOVER_REPEATS = 3;

/**
 * The line through two measured sizes; negative parts are cut to 0.
 *
 * @throws {InvalidValueError} the second size is not larger than the first
 */
export function costLine(
  small: { work: number; ms: number },
  large: { work: number; ms: number },
): CostLine {
  if (!(large.work > small.work)) {
    throw new InvalidValueError("large.work", large.work, `more than ${small.work}`);
  }
  const perWorkMs = Math.max(0, (large.ms - small.ms) / (large.work - small.work));
  return { fixedMs: Math.max(0, small.ms - perWorkMs * small.work), perWorkMs };
}

/** Where two lines cross. */
export function crossoverOf(cpu: CostLine, gpu: CostLine): Crossover {
  const gain = cpu.perWorkMs - gpu.perWorkMs;
  const debt = gpu.fixedMs - cpu.fixedMs;
  if (debt <= 0 && gain >= 0) return { cpu, gpu, work: 0 };
  return { cpu, gpu, work: gain > 0 ? debt / gain : Infinity };
}

async function fastest(clock: Clock, run: () => Promise<void>): Promise<number> {
  // Untimed: compiles the shader, and warms the engine up.
  await run();
  let best = Infinity;
  for (let i = 0; i < CROSSOVER_REPEATS; i++) {
    const start = clock.monotonicMs();
    await run();
    best = Math.min(best, clock.monotonicMs() - start);
  }
  return best;
}

/** Times one op on both devices at two sizes. */
export async function measureCrossover(
  clock: Clock,
  small: TimedRun,
  large: TimedRun,
): Promise<Crossover> {
  const lineOf = async (kind: "cpu" | "gpu"): Promise<CostLine> => {
    // The large size first: it warms the engine's compiler up for the small one.
    const most = { work: large.work, ms: await fastest(clock, () => large[kind]()) };
    const least = { work: small.work, ms: await fastest(clock, () => small[kind]()) };
    return costLine(least, most);
  };
  return crossoverOf(await lineOf("cpu"), await lineOf("gpu"));
}
