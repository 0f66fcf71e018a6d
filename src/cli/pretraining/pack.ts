import { InvalidValueError } from "../../base/errors.ts";
import { encodePack, type PackedSeries } from "../../../datasets/pretraining/mod.ts";
import { openFile } from "../series_file.ts";
import { type Cut, earliestCut, type EvaluationWindow, rowsAllowed } from "./cut.ts";
import { gridTable } from "./netcdf.ts";
import type { PackageFolder } from "./package_folder.ts";
import { cubeTable, readRFile, readRObject, rTables } from "./r_data.ts";
import type { RealSource, TableFile } from "./sources.ts";
import {
  chartTables,
  csvTables,
  daysTable,
  edfTable,
  lineTables,
  type RealTable,
  spacedTable,
  wfdbTable,
  withoutSpan,
  yearsTable,
} from "./tables.ts";

/** A series with fewer known values than this, or with fewer than half of them known, is out. */
const VALUES_MIN = 20;

/** A packed series with its values. */
export type SeriesToPack = Omit<PackedSeries, "count"> & { readonly values: Float32Array };

/** One line of the table of sources. */
export interface SourceRow {
  readonly source: string;
  readonly licence: string;
  readonly series: number;
  readonly values: number;
  /** What was cut, file by file; empty where no evaluation window lies in the source. */
  readonly cuts: readonly string[];
}

/** What packing gives. */
export interface Packed {
  readonly bytes: Uint8Array;
  readonly series: readonly SeriesToPack[];
  readonly rows: readonly SourceRow[];
}

async function bytesOf(path: string): Promise<Uint8Array<ArrayBuffer>> {
  return await new Response(await openFile(path)).bytes();
}

/** Reads a file by its path, in a folder or in a package. */
type Open = (path: string) => Promise<Uint8Array<ArrayBuffer>>;

async function readTables(open: Open, path: string, file: TableFile): Promise<RealTable[]> {
  const bytes = await open(path);
  const text = () => new TextDecoder().decode(bytes);
  switch (file.format) {
    case "csv":
      return csvTables(text(), file.columns, file.group);
    case "charts":
      return chartTables(text(), file.columns ?? []);
    case "edf":
      return [edfTable(bytes)];
    case "wfdb":
      return [wfdbTable(bytes)];
    case "years":
      return [yearsTable(text())];
    case "days":
      return [daysTable(text(), file.columns)];
    case "r":
    case "cube": {
      const index = await open(path.replace(/b$/, "x"));
      const object = await readRObject(index, bytes, file.object ?? "");
      return file.format === "r"
        ? rTables(object, file)
        : [cubeTable(object, file.columns ?? [], file.every ?? [1, 1])];
    }
    case "rds":
      return rTables(await readRFile(bytes), file);
    case "lines":
      return lineTables(text(), file.group?.[0] ?? "");
    case "spaced":
      return [spacedTable(text(), file.fields ?? [], file.columns ?? [])];
    case "netcdf":
      return [gridTable(bytes, file.columns ?? [], file.every ?? [1, 1])];
    default:
      return file.format satisfies never;
  }
}

/** Paths below a folder, in order. */
function filesUnder(folder: string, below = ""): string[] {
  return [...Deno.readDirSync(`${folder}/${below}`)]
    .flatMap(({ name, isDirectory }) => {
      const path = below === "" ? name : `${below}/${name}`;
      return isDirectory ? filesUnder(folder, path) : [path];
    })
    .sort();
}

/** The windows of a JSON lines file. */
export async function readWindows(path: string): Promise<EvaluationWindow[]> {
  const text = new TextDecoder().decode(await bytesOf(path));
  return text.trimEnd().split("\n").map((line) => JSON.parse(line) as EvaluationWindow);
}

/** Ends of the series without values, and series with too few of them, are left out. */
function trimmed(values: Float64Array): Float32Array | null {
  let [from, until] = [0, values.length];
  while (until > 0 && Number.isNaN(values[until - 1]!)) until--;
  while (from < until && Number.isNaN(values[from]!)) from++;
  const kept = Float32Array.from(values.subarray(from, until));
  const known = kept.filter((x) => !Number.isNaN(x));
  if (known.length < VALUES_MIN || known.length < 0.5 * kept.length) return null;
  return known.every((x) => x === known[0]) ? null : kept;
}

function describe(cut: Cut | null): string | null {
  if (cut === null) return null;
  const instant = cut.timeMs === null ? `row ${cut.row}` : new Date(cut.timeMs).toISOString();
  return `${instant} (${cut.window})`;
}

interface FileOfSource {
  /** Part of the names of its series. */
  readonly name: string;
  readonly file: TableFile;
  readonly tables: readonly RealTable[];
  readonly windows: readonly EvaluationWindow[];
}

async function readPackages(source: RealSource, packages: PackageFolder): Promise<FileOfSource[]> {
  return await Promise.all(source.files.map(async (file) => {
    const path = String(file.path);
    const open: Open = (member) => packages.member(file.package!, member);
    const tables = await readTables(open, path, file);
    const { outside } = file;
    const versioned = `${file.package!.name.split("/").at(-1)}/${path.split("/").at(-1)}`;
    return {
      name: file.object ?? versioned,
      file,
      tables: outside === undefined
        ? tables
        : tables.flatMap((table) => withoutSpan(table, outside.from, outside.until)),
      windows: [],
    };
  }));
}

async function readFolder(
  data: string,
  source: RealSource,
  windows: readonly EvaluationWindow[],
): Promise<FileOfSource[]> {
  const out: FileOfSource[] = [];
  for (const path of filesUnder(`${data}/${source.folder}`)) {
    const file = source.files.find((candidate) =>
      typeof candidate.path === "string" ? candidate.path === path : candidate.path.test(path)
    );
    if (file === undefined) continue;
    const open: Open = (below) => bytesOf(`${data}/${source.folder}/${below}`);
    const tables = await readTables(open, path, file);
    const own = windows.filter(({ task, series }) =>
      file.tasks?.includes(task) === true &&
      (file.taskSeries === undefined || file.taskSeries.includes(series))
    );
    out.push({ name: path, file, tables, windows: own });
  }
  return out;
}

/** What of a file is not packed, in words; null where all of it is. */
function leftOut({ outside }: TableFile, cut: Cut | null): string | null {
  if (outside === undefined) return describe(cut);
  return `${outside.from} to ${outside.until} left out (${outside.task})`;
}

/**
 * Packs what pretraining may see of the sources in a folder.
 *
 * @param data     folder of the sources
 * @param windows  evaluation windows: nothing from a source's first context on is packed
 * @param sources  those of the folder, or of the packages
 * @param packages fetched packages; needed where the sources lie in them
 * @throws {InvalidValueError} a window can't be found in its source; a package that is not there
 */
export async function packSources(
  data: string,
  windows: readonly EvaluationWindow[],
  sources: readonly RealSource[],
  packages: PackageFolder | null = null,
): Promise<Packed> {
  const series: SeriesToPack[] = [];
  const rows: SourceRow[] = [];
  for (const source of sources) {
    const before = series.length;
    const cuts: string[] = [];
    const isPackaged = source.files.some((file) => file.package !== undefined);
    if (isPackaged && packages === null) {
      throw new InvalidValueError("packages", packages, `a folder with those of ${source.folder}`);
    }
    const files = isPackaged
      ? await readPackages(source, packages!)
      : await readFolder(data, source, windows);
    for (const { name: path, file, tables, windows: own } of files) {
      const cut = earliestCut(tables, own);
      const cutAt = leftOut(file, cut);
      if (cutAt !== null) cuts.push(`${path}: ${cutAt}`);
      for (const table of tables) {
        const allowed = rowsAllowed(table, cut);
        for (const [column, all] of table.columns) {
          const values = trimmed(all.subarray(0, allowed));
          if (values === null) continue;
          const name = [source.folder, path.split(".")[0], table.name, column];
          series.push({
            name: name.filter((part) => part !== "").join("/"),
            source: source.folder,
            licence: source.licence,
            seasons: file.seasons,
            cutAt,
            values,
          });
        }
      }
    }
    const own = series.slice(before);
    rows.push({
      source: source.folder,
      licence: source.licence,
      series: own.length,
      values: own.reduce((sum, { values }) => sum + values.length, 0),
      cuts,
    });
  }
  return { bytes: encodePack(series), series, rows };
}
