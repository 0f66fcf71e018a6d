/** The results that docs/performance.md is made from: `bench/results/NAME.json`. */
import type { Provenance } from "../machine.ts";
import type { Results } from "../ops_bench.ts";

/** What one bench printed, and where it comes from. */
export interface Recorded<T> extends Provenance {
  readonly data: T;
}

/** What `crossover_bench.ts` prints. */
export interface CrossoverData {
  readonly adapter: string;
  readonly threads: number;
  readonly points: readonly {
    readonly op: string;
    readonly work: number;
    readonly cpuMs: number | null;
    readonly gpuMs: number | null;
  }[];
  readonly crossings: readonly { readonly op: string; readonly work: number | null }[];
}

/** Results by name; each may be missing. */
export interface Stored {
  readonly kernels?: Recorded<Results>;
  readonly curves?: Recorded<Results>;
  readonly cpu?: Recorded<Results>;
  readonly crossover?: Recorded<CrossoverData>;
}

/** What is run for each: a file of `bench/` and its arguments. */
export const RECORDS: Readonly<Record<keyof Stored, readonly string[]>> = {
  kernels: ["ops_bench.ts"],
  curves: ["ops_bench.ts", "--group", "length", "--group", "state"],
  cpu: ["ops_bench.ts", "--shapes", "small"],
  crossover: ["crossover_bench.ts"],
};

const FOLDER = new URL("../results/", import.meta.url);

/** Reads what is stored. */
export function readStored(folder: URL = FOLDER): Stored {
  const stored: Record<string, unknown> = {};
  for (const name of Object.keys(RECORDS)) {
    try {
      stored[name] = JSON.parse(Deno.readTextFileSync(new URL(`${name}.json`, folder)));
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
  return stored as Stored;
}
