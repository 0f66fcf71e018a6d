/** The folder that a training writes: configuration, metrics, checkpoint, model. */
import { InvalidValueError } from "../../base/errors.ts";
import { type Checkpoint, decodeCheckpoint, encodeCheckpoint } from "../../models/checkpoint.ts";
import { writeAtomic } from "../../service/atomic_file.ts";
import { linesUpTo, type TrainingLine } from "../../training/metrics_lines.ts";

/** Names of what a run writes. */
export const RUN_FILES = {
  config: "config.json",
  metrics: "metrics.jsonl",
  checkpoint: "checkpoint.safetensors",
  model: "model.safetensors",
} as const;

async function exists(path: string): Promise<boolean> {
  try {
    await Deno.stat(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** How the checkpoint of a kind of training lies in its folder. */
export interface CheckpointStore<C> {
  /** Reads the one that `checkpoint.safetensors` begins. */
  read(folder: string): Promise<C>;
  /** Replaces it as a whole. */
  write(folder: string, checkpoint: C): Promise<void>;
}

/** A backbone's checkpoint: one file. */
export const BACKBONE_CHECKPOINTS: CheckpointStore<Checkpoint> = {
  read: async (folder) =>
    decodeCheckpoint(await Deno.readFile(`${folder}/${RUN_FILES.checkpoint}`)),
  write: (folder, next) => writeAtomic(`${folder}/${RUN_FILES.checkpoint}`, encodeCheckpoint(next)),
};

/** The files of one run. */
export interface RunFolder<C = Checkpoint> {
  readonly path: string;
  /** Lines of the steps that were done before. */
  readonly known: readonly TrainingLine[];
  /** Adds a line to the metrics. */
  log(line: TrainingLine): void;
  saveCheckpoint(checkpoint: C): Promise<void>;
  /** Replaces a file of the folder. */
  saveFile(name: string, bytes: Uint8Array): Promise<void>;
}

/**
 * Opens the folder of a run; makes it where it is not there.
 *
 * @param config    what is written as its configuration
 * @param isResumed go on from its checkpoint; otherwise it must have none
 * @param store     how its checkpoint lies there
 * @param check     throws where the checkpoint is of another training; nothing is written then
 * @throws {InvalidValueError} there is a checkpoint that would be lost, or none to go on from
 */
export async function openRunFolder<C extends { readonly step: number }>(
  path: string,
  config: unknown,
  isResumed: boolean,
  store: CheckpointStore<C>,
  check: (checkpoint: C) => void = () => {},
): Promise<{ folder: RunFolder<C>; checkpoint: C | undefined }> {
  const at = (file: keyof typeof RUN_FILES) => `${path}/${RUN_FILES[file]}`;
  const hasCheckpoint = await exists(at("checkpoint"));
  if (hasCheckpoint && !isResumed) {
    throw new InvalidValueError("output", path, "a folder without a checkpoint, or --resume");
  }
  if (!hasCheckpoint && isResumed) {
    throw new InvalidValueError("output", path, `a folder with ${RUN_FILES.checkpoint} to resume`);
  }
  const checkpoint = isResumed ? await store.read(path) : undefined;
  if (checkpoint) check(checkpoint);
  await Deno.mkdir(path, { recursive: true });
  const known = checkpoint && await exists(at("metrics"))
    ? linesUpTo(await Deno.readTextFile(at("metrics")), checkpoint.step)
    : [];
  const kept = known.map((line) => `${JSON.stringify(line)}\n`).join("");
  await writeAtomic(at("metrics"), new TextEncoder().encode(kept));
  const text = `${JSON.stringify(config, null, 2)}\n`;
  await writeAtomic(at("config"), new TextEncoder().encode(text));
  const folder: RunFolder<C> = {
    path,
    known,
    log: (line) =>
      Deno.writeTextFileSync(at("metrics"), `${JSON.stringify(line)}\n`, { append: true }),
    saveCheckpoint: (next) => store.write(path, next),
    saveFile: (name, bytes) => writeAtomic(`${path}/${name}`, bytes),
  };
  return { folder, checkpoint };
}
