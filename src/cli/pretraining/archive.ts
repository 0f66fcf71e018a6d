/** Members of the packages of npm (`.tgz`) and of Debian (`.deb`). */
import { InvalidValueError } from "../../base/errors.ts";
import { unpackXz } from "./xz.ts";

/** Bytes through one of the web's decompressors. */
export async function inflated(
  bytes: Uint8Array<ArrayBuffer>,
  format: "gzip" | "deflate",
): Promise<Uint8Array<ArrayBuffer>> {
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream(format));
  return await new Response(stream).bytes();
}

const textOf = (bytes: Uint8Array) => new TextDecoder("latin1").decode(bytes).replace(/\0.*$/s, "");

const TAR_BLOCK = 512;

/** Regular files of a tar archive (POSIX.1-1988, and GNU's long names), by path. */
export function tarMembers(bytes: Uint8Array): Map<string, Uint8Array> {
  const members = new Map<string, Uint8Array>();
  let longName: string | null = null;
  for (let at = 0; at + TAR_BLOCK <= bytes.length && bytes[at] !== 0;) {
    const field = (from: number, size: number) =>
      textOf(bytes.subarray(at + from, at + from + size));
    const size = parseInt(field(124, 12).trim() || "0", 8);
    const kind = field(156, 1);
    const body = bytes.subarray(at + TAR_BLOCK, at + TAR_BLOCK + size);
    if (!(size >= 0) || body.length < size) {
      throw new InvalidValueError("tar", "its end", `${size} bytes of ${field(0, 100)}`);
    }
    const prefix = field(345, 155);
    const name = longName ?? (prefix === "" ? "" : `${prefix}/`) + field(0, 100);
    longName = kind === "L" ? textOf(body) : null;
    if (kind === "0" || kind === "") members.set(name.replace(/^\.\//, ""), body);
    at += TAR_BLOCK * (1 + Math.ceil(size / TAR_BLOCK));
  }
  return members;
}

const AR_MAGIC = "!<arch>\n";
const AR_HEADER = 60;

/** Members of an ar archive, by name. */
function arMembers(bytes: Uint8Array): Map<string, Uint8Array> {
  if (textOf(bytes.subarray(0, AR_MAGIC.length)) !== AR_MAGIC) {
    throw new InvalidValueError("package", "its first bytes", "those of an ar archive");
  }
  const members = new Map<string, Uint8Array>();
  for (let at = AR_MAGIC.length; at + AR_HEADER <= bytes.length;) {
    const name = textOf(bytes.subarray(at, at + 16)).trim().replace(/\/$/, "");
    const size = Number(textOf(bytes.subarray(at + 48, at + 58)));
    members.set(name, bytes.subarray(at + AR_HEADER, at + AR_HEADER + size));
    at += AR_HEADER + size + size % 2;
  }
  return members;
}

/**
 * The files of a package, by path.
 *
 * @throws {InvalidValueError} neither `.tgz` nor `.deb`, or not packed as those are
 */
export async function packageMembers(
  file: string,
  bytes: Uint8Array<ArrayBuffer>,
): Promise<Map<string, Uint8Array>> {
  if (file.endsWith(".tgz")) return tarMembers(await inflated(bytes, "gzip"));
  if (!file.endsWith(".deb")) throw new InvalidValueError("package", file, "a .tgz or .deb file");
  const data = arMembers(bytes).get("data.tar.xz");
  if (data === undefined) throw new InvalidValueError("package", file, "one with data.tar.xz");
  return tarMembers(await unpackXz(data));
}
