/**
 * The file of packed real series: a header in JSON, then every value as f32.
 *
 *   "DLSERIES"  8 bytes
 *   size of the header in bytes, u32 little endian
 *   header, UTF-8, padded with spaces to a multiple of 4
 *   values, f32 little endian, one series after another; NaN = missing
 */
import { InvalidValueError } from "../../src/base/errors.ts";
import { sha256Hex } from "../../src/base/hash.ts";
import { nextNormal, nextUniform, type RandomState } from "../../src/base/random.ts";
import { chance, pick } from "./_helpers/draw.ts";
import { smoothProcess } from "./_helpers/process.ts";
import { standardizeInto } from "./_helpers/series.ts";
import type { Draft } from "./generator.ts";

/** One real series, as far as pretraining may see it. */
export interface PackedSeries {
  /** `source/series`. */
  readonly name: string;
  readonly source: string;
  /** Licence under which the source gives the data. */
  readonly licence: string;
  /** Seasons in samples, the short one first; 0 = none. */
  readonly seasons: readonly [number, number];
  readonly count: number;
  /** What was cut off and why; null where the whole series is here. */
  readonly cutAt: string | null;
}

/** Series of one file, ready to be drawn from. */
export interface RealPack {
  readonly series: readonly PackedSeries[];
  /** Index of each series' first value. */
  readonly offsets: readonly number[];
  readonly values: Float32Array;
  /** Running sum of the series' chances, up to 1. */
  readonly chances: Float64Array;
  /** SHA-256 of the bytes of the values, hexadecimal. */
  readonly sha256: string;
}

const MAGIC = "DLSERIES";
const HEADER_AT = 12;

/** Bytes of one pack at most, so that a wrong file is not taken for one. */
export const PACK_BYTES_MAX = 1 << 28;

/**
 * Factors on the chances: sources of which much is alike (leads of one head or heart, neighbours on
 * a map, made-up files) weigh less.
 */
const FACTORS: Readonly<Record<string, number>> = {
  eeg_motor: 0.25,
  eeg_eye_state: 0.4,
  ecg_mitdb: 0.25,
  ecg_svdb: 0.35,
  synthetic_anomaly: 0.3,
  icu_irregular: 0.4,
  mote_sensors: 0.5,
  exchange_rates: 0.6,
  mote_network: 0.5,
  climate_divisions: 0.4,
  marine_winds: 0.4,
  satellite_months: 0.4,
  earth_rotation: 0.5,
  storms: 0.5,
  wage_rigidity: 0.5,
};

/**
 * Values from which on a source weighs in full. Small ones are learnt by heart: with weights of √V
 * alone every hour of 60 days of prices came 30,000 times in three trainings; the network's error
 * there was 0.4 of the best anchor's, on the weeks after 0.8, and 80 % intervals held 60 %.
 */
const SOURCE_VALUES = 10_000;

/** Writes series into one file. */
export function encodePack(
  series: readonly (Omit<PackedSeries, "count"> & { readonly values: Float32Array })[],
): Uint8Array {
  const total = series.reduce((sum, { values }) => sum + values.length, 0);
  const values = new Float32Array(total);
  let at = 0;
  const entries = series.map(({ values: own, ...entry }) => {
    values.set(own, at);
    at += own.length;
    return { ...entry, count: own.length };
  });
  const bytes = new Uint8Array(values.buffer);
  const text = JSON.stringify({ sha256: sha256Hex(bytes), series: entries });
  let header = new TextEncoder().encode(text);
  const padding = (4 - header.length % 4) % 4;
  header = new TextEncoder().encode(text + " ".repeat(padding));
  const out = new Uint8Array(HEADER_AT + header.length + bytes.length);
  out.set(new TextEncoder().encode(MAGIC));
  new DataView(out.buffer).setUint32(MAGIC.length, header.length, true);
  out.set(header, HEADER_AT);
  out.set(bytes, HEADER_AT + header.length);
  return out;
}

/**
 * Reads a pack.
 *
 * @throws {InvalidValueError} no such file, cut short, too large, or of another hash
 */
export function parsePack(bytes: Uint8Array): RealPack {
  if (bytes.length > PACK_BYTES_MAX) {
    throw new InvalidValueError("pack", bytes.length, `at most ${PACK_BYTES_MAX} bytes`);
  }
  const magic = new TextDecoder().decode(bytes.subarray(0, MAGIC.length));
  if (magic !== MAGIC || bytes.length < HEADER_AT) {
    throw new InvalidValueError("pack", magic, `a file that begins with "${MAGIC}"`);
  }
  const size = new DataView(bytes.buffer, bytes.byteOffset).getUint32(MAGIC.length, true);
  const text = new TextDecoder().decode(bytes.subarray(HEADER_AT, HEADER_AT + size));
  const header = JSON.parse(text) as { sha256: string; series: PackedSeries[] };
  // A copy of its own lies on a boundary of four bytes wherever the file lay.
  const body = bytes.slice(HEADER_AT + size);
  const count = header.series.reduce((sum, entry) => sum + entry.count, 0);
  if (body.length !== 4 * count) {
    throw new InvalidValueError("bytes of values", body.length, `${4 * count}`);
  }
  const actual = sha256Hex(body);
  if (actual !== header.sha256) {
    throw new InvalidValueError("sha256 of the values", actual, header.sha256);
  }
  const offsets: number[] = [];
  let at = 0;
  for (const entry of header.series) {
    offsets.push(at);
    at += entry.count;
  }
  return {
    series: header.series,
    offsets,
    values: new Float32Array(body.buffer, 0, count),
    chances: chancesOf(header.series),
    sha256: actual,
  };
}

/**
 * Chance of each series: a source weighs the root of its values V, a small one V/(V + 10,000) of
 * it, and within it a series the root of its own, so that neither the longest fill the windows nor
 * the shortest are learnt by heart.
 */
function chancesOf(series: readonly PackedSeries[]): Float64Array {
  const totals = new Map<string, { values: number; roots: number }>();
  for (const { source, count } of series) {
    const total = totals.get(source) ?? { values: 0, roots: 0 };
    total.values += count;
    total.roots += Math.sqrt(count);
    totals.set(source, total);
  }
  const out = new Float64Array(series.length);
  let sum = 0;
  series.forEach(({ source, count }, i) => {
    const total = totals.get(source)!;
    const full = total.values / (total.values + SOURCE_VALUES);
    const weight = (FACTORS[source] ?? 1) * full * Math.sqrt(total.values);
    sum += weight * Math.sqrt(count) / total.roots;
    out[i] = sum;
  });
  return out.map((x) => x / sum);
}

/** Steps of decimation and how often each is drawn: 7 makes weeks of days, 24 days of hours. */
export const DECIMATIONS: readonly number[] = [1, 1, 1, 1, 1, 1, 2, 3, 4, 6, 7, 12, 24];

/** A decimated series keeps at least so many samples, else it is taken at its own rate. */
const DECIMATED_MIN = 200;

/** Share of the samples of a block that must be there for its mean to count. */
const PRESENT_MIN = 0.5;

/** A crop of a real series at a rate drawn for it, by the means of blocks or by single samples. */
export function drawReal(random: RandomState, pack: RealPack, length: number): Draft {
  const u = nextUniform(random);
  let k = 0;
  for (let high = pack.chances.length - 1; k < high;) {
    const middle = (k + high) >> 1;
    if (pack.chances[middle]! <= u) k = middle + 1;
    else high = middle;
  }
  const { count: total, seasons } = pack.series[k]!;
  let rate = pick(random, DECIMATIONS);
  if (Math.floor(total / rate) < Math.min(length, DECIMATED_MIN)) rate = 1;
  const count = Math.min(length, Math.floor(total / rate));
  const from = Math.floor(nextUniform(random) * (total - count * rate + 1));
  const first = pack.offsets[k]! + from;
  const values = new Float64Array(length).fill(NaN);
  const isMean = chance(random, 0.6);
  for (let i = 0; i < count; i++) {
    const at = first + i * rate;
    values[i] = isMean ? blockMean(pack.values, at, rate) : pack.values[at]!;
  }
  return { values, count, seasons: slowed(seasons, rate) };
}

function blockMean(values: Float32Array, at: number, rate: number): number {
  let sum = 0;
  let present = 0;
  for (let i = at; i < at + rate; i++) {
    if (Number.isNaN(values[i]!)) continue;
    sum += values[i]!;
    present++;
  }
  return present >= PRESENT_MIN * rate ? sum / present : NaN;
}

/** Seasons at a lower rate; one that is then under 3 slots gives its place to the second. */
function slowed(seasons: readonly [number, number], rate: number): [number, number] {
  const [short, long] = seasons.map((season) => season / rate);
  if (short! >= 3) return [short!, long! >= 3 ? long! : 0];
  return [long! >= 3 ? long! : 0, 0];
}

/** In half of the real crops: a slow process and white noise on top, up to 0.6 and 0.25. */
export function disturbInto(random: RandomState, draft: Draft): void {
  if (!chance(random, 0.5)) return;
  const { values, count } = draft;
  standardizeInto(values);
  const gain = nextUniform(random);
  const slow = smoothProcess(random, values.length, 2, 600);
  for (let i = 0; i < count; i++) {
    values[i]! += gain * (0.6 * slow[i]! + 0.25 * nextNormal(random));
  }
}
