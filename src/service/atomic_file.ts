import { StorageFullError } from "../base/errors.ts";

/**
 * Replaces a file as a whole: a reader, and a power cut, finds the old one or the new one.
 *
 * The bytes are synced to disk under another name in the same folder, and that file is renamed.
 *
 * @throws {StorageFullError} there is no room
 */
export async function writeAtomic(path: string, bytes: Uint8Array): Promise<void> {
  const temporary = `${path}.partial`;
  try {
    const file = await Deno.open(temporary, { write: true, create: true, truncate: true });
    try {
      for (let at = 0; at < bytes.length;) at += await file.write(bytes.subarray(at));
      await file.sync();
    } finally {
      file.close();
    }
    await Deno.rename(temporary, path);
  } catch (error) {
    // The fault to tell is the first one, whether or not there is something to remove.
    await Deno.remove(temporary).catch(() => {});
    const isFull = error instanceof Error && "code" in error && error.code === "ENOSPC";
    if (!isFull) throw error;
    throw new StorageFullError("The disk that holds the data folder is full", { cause: error });
  }
}

/** The bytes of a file; null where there is none. */
export async function readIfThere(path: string): Promise<Uint8Array<ArrayBuffer> | null> {
  try {
    return await Deno.readFile(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
}

/** Removes a file or a folder with all that is in it; nothing where there is none. */
export async function removeIfThere(path: string): Promise<void> {
  try {
    await Deno.remove(path, { recursive: true });
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}
