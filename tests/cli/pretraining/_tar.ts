/** A tar archive of some files, as a package of npm holds it. */

const BLOCK = 512;

/** Files by path, in the format of POSIX.1-1988. */
export function tarOf(files: Readonly<Record<string, string>>): Uint8Array<ArrayBuffer> {
  const blocks = Object.entries(files).map(([path, text]) => {
    const body = new TextEncoder().encode(text);
    const out = new Uint8Array(BLOCK * (1 + Math.ceil(body.length / BLOCK)));
    out.set(new TextEncoder().encode(path));
    out.set(new TextEncoder().encode(body.length.toString(8).padStart(11, "0")), 124);
    out[156] = "0".charCodeAt(0);
    out.set(body, BLOCK);
    return out;
  });
  const out = new Uint8Array(2 * BLOCK + blocks.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const block of blocks) {
    out.set(block, at);
    at += block.length;
  }
  return out;
}

/** Bytes through gzip. */
export async function zipped(
  bytes: Uint8Array<ArrayBuffer>,
  format: "gzip" | "deflate" = "gzip",
): Promise<Uint8Array<ArrayBuffer>> {
  const stream = new Blob([bytes]).stream().pipeThrough(new CompressionStream(format));
  return await new Response(stream).bytes();
}
