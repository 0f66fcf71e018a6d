import { InvalidValueError } from "../../base/errors.ts";
import { fnv1a32 } from "../../base/hash.ts";
import { nextUniform, seedRandom } from "../../base/random.ts";
import { periodOfFreq, WINDOW_START_NS } from "../window.ts";
import { scaleOf } from "./score.ts";
import type { EvaluationWindow } from "./windows.ts";

/** What a model is told of the season: the window's own, nothing, or that there is none. */
export type SeasonHint = "given" | "found" | "none";

/** One way in which every window is forecast. */
export interface Setting {
  readonly name: string;
  /** What is done, for tables. */
  readonly title: string;
  readonly hint: SeasonHint;
  /** Only so many of the newest samples are seen. */
  readonly newest?: number;
  /** Share of the context's samples that is lost at random. */
  readonly dropped?: number;
  /** Which samples are drawn; default 1. */
  readonly seed?: number;
  /** Time stamps are wrong by up to this share of a period, either way. */
  readonly jitter?: number;
  /** Only every so many samples are seen. */
  readonly every?: number;
  /** Only every so many leads are asked for. */
  readonly asked?: number;
  /** Setting whose Seasonal Naive forecasts are what this one's are compared with. */
  readonly baseline: string;
}

/** Every setting, by what it tells. */
export const SETTINGS: readonly Setting[] = [
  { name: "found", title: "season found", hint: "found", baseline: "given" },
  { name: "given", title: "season given", hint: "given", baseline: "given" },
  { name: "none", title: "no season", hint: "none", baseline: "given" },
  ...[16, 64, 256, 1024].map((newest): Setting => ({
    name: `context${newest}`,
    title: `newest ${newest} samples`,
    hint: "given",
    newest,
    baseline: "given",
  })),
  ...[10, 30, 50].map((percent): Setting => ({
    name: `drop${percent}`,
    title: `${percent} % of the samples dropped`,
    hint: "given",
    dropped: percent / 100,
    baseline: "given",
  })),
  ...[2, 3].map((seed): Setting => ({
    name: `drop30_seed${seed}`,
    title: `30 % dropped, draw ${seed}`,
    hint: "given",
    dropped: 0.3,
    seed,
    baseline: "given",
  })),
  {
    name: "found_drop30",
    title: "30 % dropped, season found",
    hint: "found",
    dropped: 0.3,
    baseline: "given",
  },
  {
    name: "jitter",
    title: "time stamps wrong by up to 30 % of a period",
    hint: "given",
    jitter: 0.3,
    baseline: "given",
  },
  ...[2, 4].flatMap((every): Setting[] => [
    {
      name: `rate${every}`,
      title: `1 of ${every} samples seen and asked for`,
      hint: "given",
      every,
      asked: every,
      baseline: `rate${every}`,
    },
    {
      name: `fine${every}`,
      title: `all samples seen, 1 of ${every} asked for`,
      hint: "given",
      asked: every,
      baseline: `rate${every}`,
    },
    {
      name: `lead${every}`,
      title: `1 of ${every} samples seen, all asked for`,
      hint: "given",
      every,
      baseline: "given",
    },
  ]),
];

/** The settings that every model is measured in. */
export const MAIN_SETTINGS: readonly string[] = ["found", "given"];

/** Seed of how far time stamps are off, and of what is dropped where a setting names none. */
const SEED = 1;

/** Settings that drop 30 % of the samples, each another draw: one draw says little. */
export const DRAWS: readonly string[] = ["drop30", "drop30_seed2", "drop30_seed3"];

/** Fewer samples than this are no context. */
const CONTEXT_SAMPLES_MIN = 3;

/** @throws {InvalidValueError} there is no such setting */
export function settingNamed(name: string): Setting {
  const setting = SETTINGS.find((candidate) => candidate.name === name);
  if (setting === undefined) {
    const known = SETTINGS.map((candidate) => candidate.name).join(", ");
    throw new InvalidValueError("settings", name, `main, all, or some of ${known}`);
  }
  return setting;
}

/**
 * A window as a setting shows it. Times are slots: sampling periods of the window as it is stored,
 * 0 at its first sample.
 */
export interface Trial {
  readonly id: string;
  readonly task: string;
  /** Increasing.                                                                     [sample] */
  readonly slots: Float64Array;
  /** NaN where missing.                                                              [sample] */
  readonly values: Float64Array;
  /** Slots at which forecasts are asked for, increasing.                               [lead] */
  readonly asked: Float64Array;
  /** NaN where nothing was measured.                                                   [lead] */
  readonly target: Float64Array;
  /** First and last slot of the regular grid that the samples are taken from. */
  readonly first: number;
  readonly origin: number;
  /** Sampling period of that grid in slots. */
  readonly step: number;
  /** Season length in samples of that grid; 1 = none. */
  readonly season: number;
  readonly hint: SeasonHint;
  /** Seasons in seconds that a model is told in place of the hint; default: none. */
  readonly seasonsS?: readonly number[] | undefined;
  /** Bounds of the values that models are told; default: none. */
  readonly lower?: number | undefined;
  readonly upper?: number | undefined;
  /** Leads in samples of that grid, rounded up. */
  readonly horizon: number;
  /** A slot in seconds, and the time of slot 0. */
  readonly slotS: number;
  readonly startNs: bigint;
  /** Scale of the window's errors: that of its whole context in every setting. */
  readonly scale: number;
  /** Trials of one window with equal keys show the same context in the same way. */
  readonly contextKey: string;
}

function keptIndices(window: EvaluationWindow, setting: Setting): number[] {
  const length = window.context.length;
  const { newest = length, dropped = 0, every = 1, seed = SEED } = setting;
  const random = seedRandom((fnv1a32(window.id) ^ seed) >>> 0);
  const kept: number[] = [];
  for (let index = 0; index < length; index++) {
    const isLost = nextUniform(random) < dropped;
    const isSeen = index >= length - newest && (length - 1 - index) % every === 0;
    if (isSeen && !isLost) kept.push(index);
  }
  return kept;
}

/** Slots of the samples as their time stamps say: in order, though each may be off. */
function stampedSlots(window: EvaluationWindow, kept: readonly number[], jitter: number) {
  const random = seedRandom((fnv1a32(window.id) ^ SEED ^ 0x5bd1e995) >>> 0);
  return Float64Array.from(kept, (index) => index + (2 * nextUniform(random) - 1) * jitter);
}

/**
 * Shows a window as a setting wants it; null where the setting says nothing of it: its season is
 * no multiple of the samples that are taken, or less than three samples or no lead are left.
 */
export function trialOf(window: EvaluationWindow, setting: Setting): Trial | null {
  const { every = 1, asked: askedEvery = 1, jitter = 0, newest } = setting;
  const { m, h } = window;
  const thinned = Math.max(every, askedEvery);
  if (m > 1 && m % thinned !== 0) return null;
  const kept = keptIndices(window, setting);
  if (kept.length < CONTEXT_SAMPLES_MIN || h < thinned) return null;
  const length = window.context.length;
  const values = Float64Array.from(window.context, (value) => value ?? NaN);
  const leads = Array.from({ length: Math.floor(h / askedEvery) }, (_, l) => (l + 1) * askedEvery);
  const samplesSeen = newest === undefined ? length : Math.min(newest, length);
  const changes = [
    samplesSeen < length && `newest ${samplesSeen}`,
    setting.dropped && `drop ${setting.dropped} by ${setting.seed ?? SEED}`,
    jitter && `jitter ${jitter}`,
    every > 1 && `every ${every}`,
    setting.hint,
  ];
  return {
    id: window.id,
    task: window.task,
    slots: stampedSlots(window, kept, jitter),
    values: Float64Array.from(kept, (index) => values[index]!),
    asked: Float64Array.from(leads, (lead) => length - 1 + lead),
    target: Float64Array.from(leads, (lead) => window.target[lead - 1] ?? NaN),
    first: (length - samplesSeen) + (samplesSeen - 1) % every,
    origin: length - 1,
    step: every,
    season: m > 1 ? m / every : 1,
    hint: setting.hint,
    horizon: Math.ceil(h / every),
    slotS: periodOfFreq(window.freq),
    startNs: WINDOW_START_NS,
    scale: scaleOf(values, m),
    contextKey: changes.filter((change) => change).join(", "),
  };
}

/** The trial's samples on its regular grid, gaps filled by linear interpolation. [sample] */
export function gridOf({ slots, values, first, origin, step }: Trial): Float64Array {
  const known = [...slots.keys()].filter((i) => !Number.isNaN(values[i]!));
  const count = Math.round((origin - first) / step) + 1;
  let right = 0;
  return Float64Array.from({ length: count }, (_, i) => {
    const at = first + i * step;
    while (right < known.length && slots[known[right]!]! < at) right++;
    if (right === 0) return values[known[0]!]!;
    if (right === known.length) return values[known[right - 1]!]!;
    const [a, b] = [known[right - 1]!, known[right]!];
    const share = (at - slots[a]!) / (slots[b]! - slots[a]!);
    return values[a]! + share * (values[b]! - values[a]!);
  });
}
