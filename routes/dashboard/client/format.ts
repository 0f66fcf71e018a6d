/** Numbers and times as a reader wants them. */

/** The zone that times are shown in: the browser's own, or UTC. */
export type Zone = "local" | "utc";

const DASH = "–";

/**
 * A measured value: five significant digits, whole numbers whole, very large or small ones as a
 * power of ten; a missing one is a dash.
 */
export function formatValue(value: number | null | undefined): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return DASH;
  const size = Math.abs(value);
  if (size >= 1e7 || (size > 0 && size < 1e-4)) {
    return value.toExponential(3).replace("e+", "e").replace("-", "\u2212");
  }
  const decimals = size >= 10_000 ? 0 : size >= 1_000 ? 1 : size >= 1 ? 2 : 4;
  return new Intl.NumberFormat("en", { maximumFractionDigits: decimals })
    .format(value === 0 ? 0 : value).replace("-", "\u2212");
}

/**
 * Decimals that tell values apart which lie `width` from each other: two digits of the width, so
 * that a column of them has one form.
 */
export function decimalsFor(width: number): number {
  if (!(width > 0) || !Number.isFinite(width)) return 2;
  return Math.min(8, Math.max(0, 1 - Math.floor(Math.log10(width))));
}

/** A value with a fixed count of decimals. */
export function formatFixed(value: number | null | undefined, decimals: number): string {
  const size = Math.abs(value ?? NaN);
  if (!(size < 1e7)) return formatValue(value);
  return new Intl.NumberFormat("en", {
    minimumFractionDigits: decimals,
    maximumFractionDigits: decimals,
  }).format(value! === 0 ? 0 : value!).replace("-", "\u2212");
}

/** Signs of units whose code people do not write (UCUM). */
const UNIT_SIGNS: Readonly<Record<string, string>> = { "1": "", Cel: "°C", uV: "µV" };

/** A value with its unit behind it, where one is known. */
export function formatQuantity(value: number | null | undefined, unit: string | undefined): string {
  const text = formatValue(value);
  const sign = unit === undefined ? "" : UNIT_SIGNS[unit] ?? unit;
  return text === DASH || sign === "" ? text : `${text}\u00a0${sign}`;
}

/**
 * Labels as short texts. `title` says what a stream is, so its name is left out; `unit` stands
 * beside the values.
 */
export function labelTexts(labels: Readonly<Record<string, string>>): string[] {
  const { title, unit: _, ...others } = labels;
  const rest = Object.entries(others).map(([name, text]) => `${name}: ${text}`);
  return title === undefined ? rest : [title, ...rest];
}

/** Two values as a range; `decimals` fixes their form. */
export function formatRange(
  range: readonly (number | null)[] | undefined,
  decimals?: number,
): string {
  if (range === undefined) return DASH;
  const text = (value: number | null | undefined) =>
    decimals === undefined ? formatValue(value) : formatFixed(value, decimals);
  return `${text(range[0])} … ${text(range[1])}`;
}

/** A count with thousands apart. */
export function formatCount(count: number): string {
  return new Intl.NumberFormat("en").format(count);
}

/** A share in [0, 1] as per cent with one decimal. */
export function formatShare(share: number | null): string {
  return share === null ? DASH : `${(share * 100).toFixed(1)} %`;
}

/** Bytes in units of 1,024. */
export function formatBytes(bytes: number): string {
  const units = ["B", "KiB", "MiB", "GiB"];
  let size = bytes;
  let unit = 0;
  while (size >= 1024 && unit < units.length - 1) {
    size /= 1024;
    unit++;
  }
  return `${unit === 0 ? size : size.toFixed(1)} ${units[unit]}`;
}

const DURATIONS: readonly (readonly [seconds: number, unit: string])[] = [
  [31_556_952, "yr"],
  [2_629_746, "mo"],
  [86_400, "d"],
  [3_600, "h"],
  [60, "min"],
  [1, "s"],
];

/** A span of time in its largest fitting unit: `1 h`, `30.4 d`, `20 ms`. */
export function formatDuration(seconds: number | null): string {
  if (seconds === null || !Number.isFinite(seconds)) return DASH;
  // A month is best told in days: its length differs.
  const fitting = DURATIONS.find(([size, unit]) => unit !== "mo" && seconds >= size * 0.9995);
  if (fitting === undefined) return `${Number((seconds * 1e3).toPrecision(3))} ms`;
  const count = seconds / fitting[0];
  const rounded = count >= 100 ? Math.round(count) : Number(count.toFixed(1));
  return `${rounded} ${fitting[1]}`;
}

/** Beyond, a date says more than a count of months. */
const AGO_S_MAX = 60 * 86_400;

/** How long ago `timeMs` was, in words, or its date; a time ahead of the clock is told as such. */
export function formatAgo(timeMs: number, nowMs: number, zone: Zone): string {
  const seconds = Math.round((nowMs - timeMs) / 1_000);
  if (Math.abs(seconds) < 2) return "now";
  if (Math.abs(seconds) > AGO_S_MAX) return timeFormatter(zone, Infinity)(timeMs);
  const found = DURATIONS.find(([size]) => Math.abs(seconds) >= size) ?? DURATIONS.at(-1)!;
  const count = `${Math.floor(Math.abs(seconds) / found[0])} ${found[1]}`;
  return seconds < 0 ? `in ${count}` : `${count} ago`;
}

/** The two zones as a choice of text. */
export function zoneLabel(zone: Zone): string {
  return zone === "utc" ? "UTC" : Intl.DateTimeFormat().resolvedOptions().timeZone;
}

function formatter(zone: Zone, options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat {
  return new Intl.DateTimeFormat("en-GB", {
    ...options,
    hourCycle: "h23",
    ...(zone === "utc" ? { timeZone: "UTC" } : {}),
  });
}

/** Parts of a time that are worth showing when samples are `periodS` apart; Infinity: its date. */
export function timeFormatter(zone: Zone, periodS: number | null): (timeMs: number) => string {
  const period = periodS ?? 1;
  const day: Intl.DateTimeFormatOptions = { day: "numeric", month: "short", year: "numeric" };
  if (period >= 86_400 * 0.9) {
    const plain = formatter(zone, day);
    if (period === Infinity) return (timeMs) => plain.format(timeMs);
    // Daily and slower series are stamped at midnight of their own clock: that is shown if not 0.
    const full = formatter(zone, { ...day, hour: "2-digit", minute: "2-digit" });
    return (timeMs) =>
      timeMs % 86_400_000 === 0 && zone === "utc" ? plain.format(timeMs) : full.format(timeMs);
  }
  const clock: Intl.DateTimeFormatOptions = { hour: "2-digit", minute: "2-digit" };
  if (period < 60) clock.second = "2-digit";
  if (period < 1) clock.fractionalSecondDigits = 3;
  const format = formatter(zone, { ...day, ...clock });
  return (timeMs) => format.format(timeMs);
}
