/** Where records are kept: a file a set, `accuracy.SET.jsonl`, in one folder. */
import { writeAtomic } from "../../service/atomic_file.ts";
import { type AccuracyRecord, formatRecords, mergeRecords, parseRecords } from "./record.ts";
import { CHECKPOINT_PREFIX } from "./subject.ts";

/** The text of a file; null where there is none. */
export async function textOf(path: string): Promise<string | null> {
  try {
    return await Deno.readTextFile(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
}

function pathOf(folder: string, set: string): string {
  return `${folder}/accuracy.${set}.jsonl`;
}

async function write(folder: string, set: string, records: AccuracyRecord[]): Promise<void> {
  await Deno.mkdir(folder, { recursive: true });
  await writeAtomic(pathOf(folder, set), new TextEncoder().encode(formatRecords(records)));
}

/** The records of a set; none where there is no file. */
export async function readRecords(folder: string, set: string): Promise<AccuracyRecord[]> {
  const path = pathOf(folder, set);
  return parseRecords(await textOf(path) ?? "", path);
}

/** Keeps records; the file is read again, since another run may have written meanwhile. */
export async function keepRecords(
  folder: string,
  set: string,
  records: readonly AccuracyRecord[],
): Promise<void> {
  await write(folder, set, mergeRecords(await readRecords(folder, set), records));
}

/** The model of whose training a checkpoint is; empty where it is none. */
function familyOf(model: string): string {
  return model.slice(0, Math.max(0, model.indexOf(CHECKPOINT_PREFIX)));
}

/**
 * Drops records of checkpoints that are not among some models, where others of the same training
 * are: a band is that of one training.
 */
export async function forgetCheckpoints(
  folder: string,
  set: string,
  models: readonly string[],
): Promise<void> {
  const families = new Set(models.map(familyOf).filter((family) => family !== ""));
  const records = await readRecords(folder, set);
  const kept = records.filter(({ model }) =>
    !families.has(familyOf(model)) || models.includes(model)
  );
  if (kept.length < records.length) await write(folder, set, kept);
}
