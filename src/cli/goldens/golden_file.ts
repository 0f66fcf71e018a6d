/**
 * Reading a folder of golden vectors: `<group>.json` says what a case is, `<group>.safetensors`
 * holds its numbers. Everything is checked before a case runs, so that a damaged or incomplete
 * file is a failure with a name and never a case that silently checks less.
 */
import { readSafetensors, type SafetensorsEntry, tensorValues } from "../../base/safetensors.ts";

/** What a tensor is for: fed in, compared, or only informative. */
export type GoldenRole = "input" | "param" | "output" | "state" | "grad" | "aux";

const ROLES: readonly string[] = ["input", "param", "output", "state", "grad", "aux"];

/** One tensor of a case. */
export interface GoldenTensor {
  readonly name: string;
  readonly role: GoldenRole;
  /** Of the complex numbers where `complex`. */
  readonly shape: readonly number[];
  readonly complex: boolean;
  /** Relative tolerance by precision; null for what is not compared. */
  readonly rtol: { readonly f64: number; readonly f32: number } | null;
  readonly note: string;
  /** Row-major; complex numbers as (re, im) pairs. */
  readonly values: Float64Array;
}

/** A value of `scalars`: sizes and options. */
export type GoldenScalar = string | number | boolean | null | readonly unknown[] | object;

/** One case: what to build, what to feed, what to find. */
export interface GoldenCase {
  readonly name: string;
  readonly description: string;
  readonly functions: readonly string[];
  readonly scalars: Readonly<Record<string, GoldenScalar>>;
  readonly conventions: readonly string[];
  readonly atol: { readonly f64: number; readonly f32: number };
  readonly tensors: ReadonlyMap<string, GoldenTensor>;
}

/** A case that cannot be read, and why. */
export interface FaultyCase {
  readonly name: string;
  readonly fault: string;
}

/** One group: a pair of files. */
export interface GoldenGroup {
  readonly group: string;
  readonly cases: readonly GoldenCase[];
  /** Cases that are damaged or incomplete; the others are whole. */
  readonly faultyCases: readonly FaultyCase[];
  /** What is wrong with the files beside their cases: tensors that no case has. */
  readonly faults: readonly string[];
}

/** The manifest form that is read. */
const FORMAT = "goldens/1";

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function fail(where: string, what: string): never {
  throw new SyntaxError(`${where}: ${what}`);
}

/**
 * Parses a group from the texts of its two files. A case whose entry is malformed, or has a tensor
 * that is missing, of another shape, or not finite where it must be, is told apart with the reason,
 * so that the other cases still run.
 *
 * @throws {SyntaxError} a malformed manifest or file; the message names what
 */
export function parseGoldenGroup(manifestText: string, file: Uint8Array): GoldenGroup {
  let manifest: unknown;
  try {
    manifest = JSON.parse(manifestText);
  } catch (error) {
    fail("manifest", `not JSON: ${error instanceof Error ? error.message : error}`);
  }
  if (!isRecord(manifest)) fail("manifest", "not an object");
  if (manifest["format"] !== FORMAT) fail("manifest", `format is "${manifest["format"]}"`);
  const group = manifest["group"];
  if (typeof group !== "string") fail("manifest", "no group name");
  const cases = manifest["cases"];
  if (!isRecord(cases) || Object.keys(cases).length === 0) fail(group, "no cases");
  const { tensors } = readSafetensors(file);
  const unread = new Set(tensors.keys());
  const parsed: GoldenCase[] = [];
  const faultyCases: FaultyCase[] = [];
  for (const [name, value] of Object.entries(cases)) {
    try {
      parsed.push(parseCase(name, value, tensors, unread));
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error;
      faultyCases.push({ name, fault: error.message });
      // Its tensors are not strangers, even where the reading stopped before them.
      for (const tensor of unread) if (tensor.startsWith(`${name}/`)) unread.delete(tensor);
    }
  }
  const faults = Array.from(
    unread,
    (name) => `${group}: tensor "${name}" is in the file, not in the manifest`,
  );
  return { group, cases: parsed, faultyCases, faults };
}

function parseCase(
  name: string,
  value: unknown,
  entries: ReadonlyMap<string, SafetensorsEntry>,
  unread: Set<string>,
): GoldenCase {
  if (!isRecord(value)) fail(name, "not an object");
  const { tensors, scalars, conventions, reference } = value;
  if (!isRecord(tensors)) fail(name, "no tensors");
  const functions = isRecord(reference) ? reference["functions"] : [];
  const parsed = new Map<string, GoldenTensor>();
  for (const [tensorName, about] of Object.entries(tensors)) {
    const full = `${name}/${tensorName}`;
    parsed.set(tensorName, parseTensor(full, about, entries, unread));
  }
  return {
    name,
    description: typeof value["description"] === "string" ? value["description"] : "",
    functions: Array.isArray(functions) ? functions.map(String) : [],
    scalars: isRecord(scalars) ? (scalars as Record<string, GoldenScalar>) : {},
    conventions: Array.isArray(conventions) ? conventions.map(String) : [],
    atol: parseTolerance(name, "atol", value["atol"]),
    tensors: parsed,
  };
}

function parseTolerance(where: string, field: string, value: unknown) {
  if (!isRecord(value)) fail(where, `no ${field}`);
  const { f64, f32 } = value;
  if (typeof f64 !== "number" || typeof f32 !== "number" || !(f64 >= 0) || !(f32 >= 0)) {
    fail(where, `${field} is ${JSON.stringify(value)}`);
  }
  return { f64, f32 };
}

function parseTensor(
  full: string,
  about: unknown,
  entries: ReadonlyMap<string, SafetensorsEntry>,
  unread: Set<string>,
): GoldenTensor {
  if (!isRecord(about)) fail(full, "not an object");
  const { role, shape, complex } = about;
  if (typeof role !== "string" || !ROLES.includes(role)) fail(full, `role is "${role}"`);
  if (!Array.isArray(shape) || !shape.every((size) => Number.isSafeInteger(size) && size >= 0)) {
    fail(full, `shape is ${JSON.stringify(shape)}`);
  }
  const take = (name: string): Float64Array => {
    const entry = entries.get(name);
    if (entry === undefined) fail(full, `tensor "${name}" is missing from the file`);
    if (JSON.stringify(entry.shape) !== JSON.stringify(shape)) {
      fail(full, `shape is ${JSON.stringify(shape)}, the file has ${JSON.stringify(entry.shape)}`);
    }
    unread.delete(name);
    return tensorValues(entry);
  };
  const isComplex = complex === true;
  const values = isComplex ? interleave(take(`${full}.re`), take(`${full}.im`)) : take(full);
  const compared = role === "output" || role === "state" || role === "grad";
  // Missing observations are the only inputs that may be NaN; masks are infinite.
  const isSeries = /\/endog$/.test(full) || /NaN/.test(String(about["note"] ?? ""));
  const isSound = compared
    ? values.every(Number.isFinite)
    : isSeries || !values.some((value) => Number.isNaN(value));
  if (!isSound) fail(full, "a value is not finite");
  return {
    name: full.slice(full.indexOf("/") + 1),
    role: role as GoldenRole,
    shape: shape as number[],
    complex: isComplex,
    rtol: compared ? parseTolerance(full, "rtol", about["rtol"]) : null,
    note: String(about["note"] ?? ""),
    values,
  };
}

function interleave(re: Float64Array, im: Float64Array): Float64Array {
  const out = new Float64Array(2 * re.length);
  for (let i = 0; i < re.length; i++) {
    out[2 * i] = re[i]!;
    out[2 * i + 1] = im[i]!;
  }
  return out;
}

/**
 * The values of a tensor that a case cannot do without.
 *
 * @throws {SyntaxError} the case has no such tensor
 */
export function valuesOf(golden: GoldenCase, name: string): Float64Array {
  return tensorOfCase(golden, name).values;
}

/** The same with its shape. @throws {SyntaxError} the case has no such tensor */
export function tensorOfCase(golden: GoldenCase, name: string): GoldenTensor {
  const tensor = golden.tensors.get(name);
  if (tensor === undefined) fail(golden.name, `needs tensor "${name}"`);
  return tensor;
}

/**
 * A number among the scalars.
 *
 * @throws {SyntaxError} it is absent (and there is no fallback) or not a number
 */
export function numberOf(golden: GoldenCase, name: string, fallback?: number): number {
  const value = golden.scalars[name] ?? fallback;
  if (typeof value !== "number") fail(golden.name, `scalar "${name}" is ${JSON.stringify(value)}`);
  return value;
}

/** A text among the scalars. @throws {SyntaxError} it is absent or not a text */
export function textOf(golden: GoldenCase, name: string): string {
  const value = golden.scalars[name];
  if (typeof value !== "string") fail(golden.name, `scalar "${name}" is ${JSON.stringify(value)}`);
  return value;
}
