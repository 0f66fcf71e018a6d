/** The results that docs/performance.md is made from: `bench/results/NAME.json`. */
import type { Provenance } from "../machine.ts";
import type { IterationReport } from "../iteration.ts";
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

/** What `memory_bench.ts` prints. */
export interface MemoryData {
  readonly rows: readonly {
    readonly member: string;
    readonly length: number;
    readonly peakBytes: number;
    readonly growth: number | null;
    readonly stateBytes: number;
  }[];
  readonly scans: readonly {
    readonly length: number;
    readonly recomputing: number;
    readonly storing: number;
    readonly states: number;
  }[];
}

/** What `backlog_bench.ts` prints. */
export interface BacklogData {
  readonly rows: readonly {
    readonly member: string;
    readonly streams: number;
    readonly length: number;
    readonly steppingMs: number;
    readonly cpuMs: number;
    readonly gpuMs: number | null;
  }[];
}

/** What `models_bench.ts` prints. */
export interface ModelsData {
  /** Processes that ran on the machine when it began, mean of a minute. */
  readonly load?: number;
  readonly rows: readonly {
    readonly name: string;
    readonly series: string;
    readonly onlinePerS: number;
    readonly refitsPerS: number | null;
    readonly stateBytes: number;
  }[];
}

/** What `ingest_bench.ts` prints. */
export interface IngestData {
  readonly rows: readonly {
    readonly scenario: string;
    readonly server: string;
    readonly measured: {
      readonly requestsPerS: number;
      readonly samplesPerS: number;
      /** Until the states have absorbed them, too; null for a bare route. */
      readonly appliedPerS: number | null;
      readonly p50Ms: number;
      readonly p99Ms: number;
      /** Processor time of a request; absent in older records. */
      readonly serverUs?: number | null;
      readonly clientUs?: number | null;
    };
  }[];
}

/** What `serving_bench.ts` prints. */
export interface ServingData {
  /** Streams that the CPU serves in the GPU's least latency. */
  readonly crossover: number | null;
  readonly rows: readonly {
    /** Absent in older records, which are of one. */
    readonly model?: string;
    readonly device: string;
    readonly streams: number;
    readonly gpuMs: number | null;
    readonly latencyMs: number;
    readonly flightMs: number;
    readonly floorMs: number | null;
  }[];
  /** Counts of streams that were not served; absent in older records. */
  readonly refused?: readonly {
    readonly model: string;
    readonly device: string;
    readonly streams: number;
    readonly reason: string;
  }[];
}

/** What `smoother_bench.ts` prints. */
export interface SmootherData {
  readonly rows: readonly {
    readonly states: number;
    readonly length: number;
    readonly simdMs: number;
    readonly gpuMs: number;
    readonly hostMs: number;
  }[];
}

/** Results by name; each may be missing. */
export interface Stored {
  /** At the peers' shapes. */
  readonly kernels?: Recorded<Results>;
  /** At those of a training iteration. */
  readonly ops?: Recorded<Results>;
  /** Ops without shapes of their own. */
  readonly sized?: Recorded<Results>;
  readonly curves?: Recorded<Results>;
  readonly cpu?: Recorded<Results>;
  readonly crossover?: Recorded<CrossoverData>;
  readonly training?: Recorded<readonly IterationReport[]>;
  readonly memory?: Recorded<MemoryData>;
  readonly backlog?: Recorded<BacklogData>;
  readonly serving?: Recorded<ServingData>;
  /** The same on one core of a CPU. */
  readonly serving_cpu?: Recorded<ServingData>;
  /** The same of the networks that come with the program. */
  readonly networks?: Recorded<ServingData>;
  readonly smoother?: Recorded<SmootherData>;
  readonly models?: Recorded<ModelsData>;
  /** A later run of the same, of which the bytes of states count alone: load does not change them. */
  readonly states?: Recorded<ModelsData>;
  readonly ingest?: Recorded<IngestData>;
}

/** What is run for each: a file of `bench/` and its arguments. */
export const RECORDS: Readonly<Record<keyof Stored, readonly string[]>> = {
  kernels: ["ops_bench.ts", "--group", "issue", "--history"],
  ops: ["ops_bench.ts", "--group", "ops", "--group", "gradients", "--history"],
  sized: ["ops_bench.ts", "--group", "ops", "--group", "gradients"],
  curves: ["ops_bench.ts", "--group", "length", "--group", "state"],
  cpu: ["ops_bench.ts", "--shapes", "small", "--seconds", "200"],
  crossover: ["crossover_bench.ts"],
  training: ["training_bench.ts", "--model", "mamba4", "--member", "mamba", "--member", "s4d"],
  memory: ["memory_bench.ts"],
  backlog: ["backlog_bench.ts"],
  serving: ["serving_bench.ts"],
  serving_cpu: ["serving_bench.ts", "--device", "cpu", "--streams", "16,64,256"],
  networks: [
    "serving_bench.ts",
    ...["--network", "neural", "--network", "neural_small", "--network", "neural_mamba"],
  ],
  smoother: ["smoother_bench.ts", "--states", "8", "--lengths", "1024,8192,65536,1048576"],
  models: ["models_bench.ts"],
  states: ["models_bench.ts"],
  ingest: ["ingest_bench.ts", "--model", "structural"],
};

/** Rows of the models with the bytes of states as they were recorded last. */
export function modelRows({ models, states }: Stored): ModelsData["rows"] {
  const key = ({ name, series }: ModelsData["rows"][number]) => `${name.split("/")[0]} ${series}`;
  const bytes = new Map(states?.data.rows.map((row) => [key(row), row.stateBytes]));
  return models?.data.rows.map((row) => ({
    ...row,
    stateBytes: bytes.get(key(row)) ?? row.stateBytes,
  })) ?? [];
}

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
