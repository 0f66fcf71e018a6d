/**
 * The features by their formulas on whole arrays, everything computed afresh for each sample: what
 * the recurrences of `src/models/neural/` are held to. Slow, without limits, no past is dropped.
 */

import { type Fitted, fitted, type RowValue } from "./_autoregression.ts";

export interface Series {
  /** Slot times, ascending. */
  readonly times: readonly number[];
  readonly values: readonly number[];
  readonly seasons: readonly [number, number];
}

const FLAT = 1e-12;

/** Reads the series: on whole slots by the line through samples, between slots by that of slots. */
export function reader(series: Series, count: number): {
  at(time: number): number;
  readonly first: number;
  readonly newest: number;
} {
  const { times, values } = series;
  const first = Math.floor(times[0]!);
  const newest = Math.floor(times[count - 1]!);
  const onSamples = (time: number): number => {
    if (time <= times[0]!) return values[0]!;
    let i = 1;
    while (i < count - 1 && times[i]! < time) i++;
    const share = (time - times[i - 1]!) / (times[i]! - times[i - 1]!);
    return values[i - 1]! + (values[i]! - values[i - 1]!) * share;
  };
  const slots = Array.from({ length: newest - first + 1 }, (_, i) => onSamples(first + i));
  return {
    first,
    newest,
    at(time) {
      const from = Math.floor(time);
      if (from === time) return slots[from - first]!;
      const before = slots[from - first]!;
      if (from < newest) return before + (slots[from + 1 - first]! - before) * (time - from);
      const end = times[count - 1]!;
      return before + (values[count - 1]! - before) * (time - from) / (end - from);
    },
  };
}

/** Σ w v / Σ w with w = exp(−age / memory); ages of one sample are at most one memory apart. */
function forgetting(
  values: readonly number[],
  ages: readonly number[],
  memory: number,
): number {
  let sum = 0;
  let weights = 0;
  for (let i = 0; i < values.length; i++) {
    const weight = Math.exp(-ages[i]! / memory);
    sum += weight * values[i]!;
    weights += weight;
  }
  return weights > 0 ? sum / weights : 0;
}

export interface Statistics {
  readonly x: number;
  readonly elapsed: number;
  readonly mean: number;
  readonly spread: number;
  readonly fast: number;
  readonly minimum: number;
  readonly step: number;
  readonly steps: number;
  readonly seasonal: number;
  readonly second: number;
  readonly profile: number;
  readonly error: number;
  readonly drift: number;
  readonly trend: number;
  readonly count: number;
  readonly season: number;
  readonly season2: number;
  readonly seasonDifference: number | null;
  readonly secondDifference: number | null;
  readonly profileResidual: number | null;
  readonly seasonalDifferences: number;
  readonly secondProfile: number;
  readonly secondResidual: number | null;
  readonly error2: number;
  /** Change a slot of late, over some four and some twelve slots. */
  readonly momenta: readonly [number, number];
  readonly steps2: Fitted;
  readonly residuals2: Fitted;
}

/** Newest value and weighted mean at `time` and whole seasons before it. */
export function phase(
  series: Series,
  count: number,
  time: number,
  season: number,
  kept: number,
): { newest: number; mean: number } | null {
  const { at, first } = reader(series, count);
  if (season === 0 || time < first) return null;
  let sum = 0;
  let weights = 0;
  for (let j = 0; j < kept && time - j * season >= first; j++) {
    sum += 0.65 ** j * at(time - j * season);
    weights += 0.65 ** j;
  }
  return { newest: at(time), mean: sum / weights };
}

function trendAt(series: Series, count: number, stretch: number): number {
  const { at, first, newest } = reader(series, count);
  if (newest - 2 * stretch < first) return 0;
  const sum = (length: number): number => {
    let total = 0;
    for (let i = 0; i < Math.floor(length); i++) total += at(newest - i);
    const cut = newest - Math.floor(length);
    return total + (cut >= first ? (length - Math.floor(length)) * at(cut) : 0);
  };
  return (2 * sum(stretch) - sum(2 * stretch)) / stretch;
}

/** Seasonal differences of sample `i` from the samples before it. */
function differencesOf(series: Series, i: number): {
  season: number | null;
  profile: number | null;
  second: number | null;
  secondProfile: number | null;
} {
  const { times, values, seasons } = series;
  if (i === 0) return { season: null, profile: null, second: null, secondProfile: null };
  const elapsed = times[i]! - times[i - 1]!;
  const back = (season: number, kept: number) =>
    season === 0 ? null : phase(
      series,
      i,
      times[i]! - season * Math.max(1, Math.ceil(elapsed / season - 1e-9)),
      season,
      kept,
    );
  const first = back(seasons[0], 5);
  const second = back(seasons[1], 3);
  return {
    season: first && values[i]! - first.newest,
    profile: first && values[i]! - first.mean,
    second: second && values[i]! - second.newest,
    secondProfile: second && values[i]! - second.mean,
  };
}

/** First differences, and residuals to the profile or the mean, as autoregressions take them. */
function rowsOf(series: Series, count: number, profile: readonly (number | null)[]) {
  const { times, values, seasons } = series;
  const memory = memoryOf(seasons[0]);
  const steps: RowValue[] = [];
  const residuals: RowValue[] = [];
  let was = 0;
  for (let i = 1; i < count; i++) {
    const elapsed = times[i]! - times[i - 1]!;
    const change = values[i]! - values[i - 1]!;
    const slope = elapsed < 1.5 ? change : change / elapsed;
    if (elapsed > 0.5) steps.push({ elapsed, y: slope, before: slope });
    const y = seasons[0] > 0
      ? profile[i]!
      : values[i]! - forgetting(values.slice(0, i + 1), slowAges(times, i, memory), memory);
    const before = y === null ? 0 : y + (was - y) / Math.max(elapsed, 1);
    residuals.push({ elapsed, y, before });
    if (y !== null) was = y;
  }
  return { steps, residuals };
}

function memoryOf(season: number): number {
  return season > 0 ? Math.min(Math.max(6 * season, 96), 512) : 160;
}

/** Ages at sample `newest` of it and those before; a gap counts one memory at most. */
function slowAges(times: readonly number[], newest: number, memory: number): number[] {
  const out = new Array<number>(newest + 1).fill(0);
  for (let i = newest - 1; i >= 0; i--) {
    out[i] = out[i + 1]! + Math.min(times[i + 1]! - times[i]!, memory);
  }
  return out;
}

/** Everything that is known after `count` samples. */
export function statistics(series: Series, count: number): Statistics {
  const { times, values, seasons } = series;
  const [season, season2] = seasons;
  const memory = memoryOf(season);
  const newest = count - 1;
  const x = values[newest]!;
  const seen = values.slice(0, count);
  const slow = slowAges(times, newest, memory);
  const ages = seen.map((_, i) => times[newest]! - times[i]!);
  const mean = forgetting(seen, slow, memory);
  const variance = forgetting(seen.map((v) => (v - mean) ** 2), slow, memory);
  const spread = Math.max(Math.sqrt(variance), FLAT * Math.abs(mean), 1e-140);
  const floor = 0.01 * spread;
  const gaps = seen.map((_, i) => i === 0 ? 1 : times[i]! - times[i - 1]!);
  const changes = seen.map((v, i) => i === 0 ? 0 : v - values[i - 1]!);
  const stepOf = changes.map((change, i) => change / Math.sqrt(Math.max(1, gaps[i]!)));
  const steps = forgetting(stepOf.slice(1).map(Math.abs), slow.slice(1), memory) + floor;
  const all = seen.map((_, i) => differencesOf(series, i));
  const size = (
    kind: "season" | "profile" | "second" | "secondProfile",
    without: number,
  ): number => {
    const of = all.map((d, i) => [d[kind], slow[i]!] as const).filter(([d]) => d !== null);
    if (of.length === 0) return without + floor;
    return forgetting(of.map(([d]) => Math.abs(d!)), of.map(([, age]) => age), memory) + floor;
  };
  const seasonal = size("season", steps);
  const residuals = all.map((d, i) => [d.profile, ages[i]!] as const).filter(([d]) => d !== null);
  const second = size("second", seasonal);
  const residuals2 = all.map((d, i) => [d.secondProfile, ages[i]!] as const)
    .filter(([d]) => d !== null);
  const momentum = (slots: number): number => {
    const run = forgetting(gaps.slice(1), ages.slice(1), slots);
    return run > 0 ? forgetting(changes.slice(1), ages.slice(1), slots) / run : 0;
  };
  const rows = rowsOf(series, count, all.map(({ profile }) => profile));
  const rise = forgetting(changes.slice(1), slow.slice(1), memory);
  const run = forgetting(gaps.slice(1), slow.slice(1), memory);
  return {
    x,
    elapsed: gaps[newest]!,
    mean,
    spread,
    fast: forgetting(seen, ages, 5),
    minimum: Math.min(...seen),
    step: stepOf[newest]!,
    steps,
    seasonal,
    second,
    profile: size("profile", steps),
    error: forgetting(residuals.map(([d]) => d!), residuals.map(([, age]) => age), 5),
    drift: run > 0 ? rise / run : 0,
    trend: trendAt(series, count, season > 0 ? season : 8),
    count: newest,
    season,
    season2,
    seasonDifference: all[newest]!.season,
    profileResidual: all[newest]!.profile,
    secondDifference: all[newest]!.second,
    secondProfile: size("secondProfile", second),
    secondResidual: all[newest]!.secondProfile,
    error2: forgetting(residuals2.map(([d]) => d!), residuals2.map(([, age]) => age), 5),
    momenta: [momentum(4), momentum(12)],
    steps2: fitted(rows.steps, Math.exp(-1 / memory), spread),
    residuals2: fitted(rows.residuals, Math.exp(-1 / memory), spread),
    seasonalDifferences: all.filter((d) => d.season !== null).length,
  };
}

const within = (x: number, low: number, high: number): number => Math.min(Math.max(x, low), high);
const squash = (x: number): number => within(Math.asinh(x), -8, 8);

/** The token of the newest of `count` samples. */
export function referenceToken(series: Series, count: number): number[] {
  const s = statistics(series, count);
  const ratio = (size: number): number => 0.5 * within(Math.log(size / s.spread), -6, 3);
  return [
    squash((s.x - s.mean) / s.spread),
    0.5 * Math.log(within(s.elapsed, 0.02, 1000)),
    squash(s.step / s.steps),
    squash((s.seasonDifference ?? 0) / s.seasonal),
    squash((s.secondDifference ?? 0) / s.second),
    squash((s.profileResidual ?? 0) / s.profile),
    s.seasonDifference === null ? 0 : 1,
    s.secondDifference === null ? 0 : 1,
    ratio(s.steps),
    ratio(s.seasonal),
    ratio(s.second),
    ratio(s.profile),
    Math.log1p(Math.min(s.count, 1000)) / 6,
    Math.log2(s.season + 1) / 8,
    Math.log2(s.season2 + 1) / 10,
    0.4 * within(squash(s.mean / s.spread), -5, 5),
    squash((s.fast - s.mean) / s.spread),
    0.5 * squash((s.x - s.minimum) / s.spread),
    squash(s.drift * 24 / s.spread),
    squash(s.trend / s.seasonal),
    squash((s.secondResidual ?? 0) / s.secondProfile),
    ratio(s.secondProfile),
    squash(s.momenta[1] * 12 / s.spread),
    s.steps2.phi[0] + s.steps2.phi[1],
  ];
}

export interface ReferenceLead {
  readonly features: number[];
  readonly anchors: number[];
  readonly valid: number[];
  readonly scale: number;
  readonly unit: number;
}

function legendre(z: number): number[] {
  return [
    1,
    z,
    (3 * z ** 2 - 1) / 2,
    (5 * z ** 3 - 3 * z) / 2,
    (35 * z ** 4 - 30 * z ** 2 + 3) / 8,
    (63 * z ** 5 - 70 * z ** 3 + 15 * z) / 8,
  ];
}

function candidatesOf(
  series: Series,
  count: number,
  lead: number,
  s: Statistics,
): (number | null)[] {
  const { at, first } = reader(series, count);
  const now = series.times[count - 1]!;
  const seasonsIn = (season: number): number => Math.max(1, Math.ceil(lead / season - 1e-9));
  const at1 = s.season > 0
    ? phase(series, count, now + lead - s.season * seasonsIn(s.season), s.season, 5)
    : null;
  const seen2 = s.season2 > 0 && now - s.season2 >= first;
  const at2 = seen2
    ? phase(series, count, now + lead - s.season2 * seasonsIn(s.season2), s.season2, 3)
    : null;
  const from1 = Math.max(now - s.season, first);
  const ago1 = at1 ? at(from1) : 0;
  const base1 = at1 && phase(series, count, from1, s.season, 5);
  const base2 = at2 && phase(series, count, now - s.season2, s.season2, 3);
  const damped = (phi: number): number => phi * (1 - phi ** lead) / (1 - phi);
  const middle = s.season > 0 ? at1 && at1.mean : s.mean;
  const ago2 = at2 ? at(now - s.season2) : 0;
  const trend = s.season > 0 ? s.trend * Math.min(seasonsIn(s.season), 8) : 0;
  return [
    s.x,
    s.fast,
    s.mean,
    s.x + s.drift * lead,
    at1 && at1.newest,
    at1 && at1.mean,
    at1 && s.x + at1.newest - ago1,
    at1 && at1.mean + s.error,
    at1 && at1.newest + trend,
    at2 && at2.newest,
    at2 && at2.mean,
    at2 && s.x + at2.newest - ago2,
    at1 && at1.mean + s.error + trend / 2,
    at2 && at2.mean + s.error2,
    at2 && s.x + at2.mean - base2!.mean,
    at1 && s.x + at1.mean - base1!.mean,
    s.x + s.momenta[0] * damped(0.8),
    s.x + s.momenta[1] * damped(0.95),
    s.steps2.known ? s.x + s.steps2.at(lead, true) : null,
    middle !== null && s.residuals2.known ? middle + s.residuals2.at(lead, false) : null,
  ];
}

/** What the decoder sees of a lead after `count` samples. */
export function referenceLead(series: Series, count: number, lead: number): ReferenceLead {
  const s = statistics(series, count);
  const candidates = candidatesOf(series, count, lead, s);
  const scale = Math.max(
    Math.min(s.steps, s.seasonal, s.profile, s.second),
    0.02 * s.spread,
  );
  const naive = s.season > 0 && s.seasonalDifferences > 1
    ? s.seasonal * Math.sqrt(Math.max(1, Math.ceil(lead / s.season - 1e-9)))
    : Math.min(s.steps * Math.sqrt(lead), 1.5 * s.spread);
  const unit = naive + 0.05 * s.spread + 1e-140;
  const relative = candidates.map((candidate) => candidate === null ? 0 : candidate - s.x);
  const valid = candidates.map((candidate) => candidate === null ? 0 : 1);
  const phase1 = s.season > 0 ? 2 * Math.PI * lead / s.season : 0;
  const seasons = lead / (s.season || 24);
  const told = Math.max(lead, 1 / 16);
  const w = within(seasons / 2 - 1, -1, 1);
  const harmonics = Array.from({ length: 12 }, (_, h) => 2 * Math.PI * seasons * (h + 1));
  const log = (size: number): number => 0.5 * Math.log(size / scale);
  return {
    features: [
      ...relative.map((value) => 0.5 * squash(value / scale)),
      ...valid,
      0.4 * Math.log(told),
      1 / Math.sqrt(told),
      s.season > 0 ? Math.min(lead / s.season, 6) : 0,
      s.season2 > 0 ? Math.min(lead / s.season2, 2) : 0,
      Math.sin(phase1),
      Math.cos(phase1),
      Math.sin(2 * phase1),
      Math.cos(2 * phase1),
      log(s.steps),
      log(s.seasonal),
      log(s.profile),
      log(s.second),
      log(s.spread),
      Math.log2(s.season + 1) / 8,
      Math.log1p(Math.min(s.count, 1000)) / 6,
      0.3 * squash((s.x - s.minimum) / scale),
      log(s.secondProfile),
      s.residuals2.phi[0] + s.residuals2.phi[1],
      ...harmonics.map(Math.sin),
      ...harmonics.map(Math.cos),
      ...legendre(within(Math.log(24 * seasons + 0.2) / 3.2 - 0.8, -1.3, 1.3)),
      w,
      w ** 2,
      w ** 3,
      1 / Math.sqrt(told),
    ],
    anchors: relative.map((value) => within(value / unit, -1e4, 1e4)),
    valid,
    scale: scale / unit,
    unit,
  };
}
