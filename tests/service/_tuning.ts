/** Jobs over a small network of the tests' own, in this thread. */
import { type Clock, ManualClock } from "../../src/base/clock.ts";
import { InvalidValueError } from "../../src/base/errors.ts";
import { sha256Hex } from "../../src/base/hash.ts";
import { floatEntry, readSafetensors, writeSafetensors } from "../../src/base/safetensors.ts";
import { openCpu } from "../../src/device/mod.ts";
import { builtInModels } from "../../src/service/built_in_models.ts";
import type { JobRows } from "../../src/service/job_files.ts";
import { type JobPort, type LocalContext, LocalJobPort } from "../../src/service/job_port.ts";
import type { OpenTuning } from "../../src/service/job_run.ts";
import { Jobs } from "../../src/service/jobs.ts";
import { type ModelFacts, type ServingModel, TrainedModels } from "../../src/service/models.ts";
import { silentLog } from "../../src/service/telemetry.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";
import { type Example, initial, minibatch, OPTIONS } from "../training/_task.ts";

const FORMAT = "test-network/1";

/** The file of a network. */
export function encodeNetwork(tensors: Readonly<Record<string, Tensor>>, step: number) {
  const entries = Object.entries(tensors).map(([name, { shape, data }]) =>
    [name, floatEntry(shape, data)] as const
  );
  return writeSafetensors(new Map(entries), { format: FORMAT, step: String(step) });
}

/** What the file says of itself. @throws {SyntaxError | InvalidValueError} it is no such file */
export function inspectNetwork(bytes: Uint8Array): ModelFacts {
  const { tensors, metadata } = readSafetensors(bytes);
  const { format } = metadata;
  if (format !== FORMAT) throw new InvalidValueError("metadata.format", format, FORMAT);
  let parameters = 0;
  for (const { bytes: { length } } of tensors.values()) parameters += length / 4;
  return { kind: "test", hash: sha256Hex(bytes), parameters, stateBytesMax: 8 };
}

/** The network before any tuning. */
export const BASE: Uint8Array<ArrayBuffer> = encodeNetwork(initial(), 0);

/** A tuning whose examples depend on the series' values and on the seed. */
export const openTestTuning: OpenTuning = (base, series, recipe) => {
  inspectNetwork(base);
  if (recipe.rate === 0.1) throw new InvalidValueError("samples", "these", "others");
  const shift = series.reduce((sum, { values }) => sum + values.length, recipe.seed);
  const parameters = Object.values(initial()).reduce((sum, { data }) => sum + data.length, 0);
  return {
    parameters,
    tunedParameters: parameters,
    initial: initial(),
    options: {
      ...OPTIONS,
      schedule: { kind: "constant", rate: recipe.rate },
      seed: recipe.seed,
      minibatch: (index: number) => minibatch(shift + index),
    },
    heldOut: (): Iterable<Example> => [minibatch(-1), minibatch(-2)],
    encode: encodeNetwork,
  } as ReturnType<OpenTuning>;
};

/** What runs jobs in this thread. */
export function testContext(): LocalContext {
  return {
    inspect: inspectNetwork,
    openTuning: openTestTuning,
    devices: () => Promise.resolve([{ device: openCpu(), name: "cpu" }]),
    clock: new ManualClock(),
  };
}

/** A network of the program, for tests. */
const NEURAL: ServingModel = {
  name: "neural",
  kind: "network",
  origin: "built-in",
  hash: "0",
  parameters: 9,
  stateBytesMax: 1,
  base: null,
  job: null,
  createdAt: null,
};

/** Sixty-four rows of a stream of one channel. */
export function testRows(length = 64): JobRows {
  return {
    channels: ["value"],
    timestampsNs: BigInt64Array.from({ length }, (_, i) => BigInt(i) * 1_000_000_000n),
    values: [Float64Array.from({ length }, (_, i) => Math.sin(i))],
    seasonsS: [],
  };
}

/** What {@linkcode openJobs} opened. */
export interface OpenedJobs {
  readonly models: TrainedModels;
  readonly jobs: Jobs;
  /** What the threads that serve were given. */
  readonly served: Map<string, Uint8Array>;
}

/** Models and jobs of a folder, not read yet. */
export function makeJobs(
  folder: string,
  port: JobPort = new LocalJobPort(testContext()),
  clock: Clock = new ManualClock(),
  told: (name: string, bytes: Uint8Array | null) => Promise<void> = () => Promise.resolve(),
): OpenedJobs {
  const served = new Map<string, Uint8Array>();
  const models = new TrainedModels({
    folder: `${folder}/models`,
    builtIn: [...builtInModels(new Map()), NEURAL],
    inspect: (_, bytes) => inspectNetwork(bytes),
    serve: (name, bytes) => {
      if (bytes === null) served.delete(name);
      else served.set(name, bytes);
      return told(name, bytes);
    },
    log: silentLog,
    clock,
  });
  const jobs = new Jobs({ folder: `${folder}/jobs`, models, port, log: silentLog, clock });
  return { models, jobs, served };
}

/** Opens models and jobs in a folder; a second time it is a restart. */
export async function openJobs(folder: string, port?: JobPort): Promise<OpenedJobs> {
  const opened = makeJobs(folder, port);
  await opened.models.load();
  await opened.jobs.start();
  return opened;
}

/** Waits until a job is over, by its events. */
export async function ended(jobs: Jobs, id: string): Promise<void> {
  const subscription = jobs.subscribe(id);
  try {
    while (jobs.get(id).endedAt === null) {
      if (await subscription.next(10_000) === null) throw new Error(`Job ${id} takes too long`);
    }
  } finally {
    jobs.unsubscribe(id, subscription);
  }
}
