/** Streams that change for good, once: which changes are told, as what, and how soon. */
import { nextNormal, nextUniform, type RandomState, seedRandom } from "../../../base/random.ts";
import { DEFAULT_FLAG_OPTIONS, type FlagEvent, type Reason } from "../../../detectors/detector.ts";
import { detectors } from "../../../detectors/mod.ts";

/** A stream before its change: a season, which may be none, and what is around it. */
export interface ChangeBase {
  readonly name: string;
  /** At a place in cycles, in units of the noise; null without a season. */
  readonly season: ((cycles: number) => number) | null;
  /** Samples a cycle; 0 without a season. */
  readonly length: number;
  noise(length: number, random: RandomState): Float64Array;
}

/** A sample of a stream, `since` samples after its change. */
export interface ChangedSample {
  readonly base: ChangeBase;
  readonly noise: number;
  /** Cycles at the change, whole and parts. */
  readonly cycles: number;
  readonly since: number;
}

/** A way to change, and what a person would call it. */
export interface ChangeKind {
  readonly name: string;
  readonly reasons: readonly Reason[];
  /** Whether only a season can change so. */
  readonly isSeasonal: boolean;
  value(sample: ChangedSample): number;
}

/** Samples before the change. */
export const CHANGE_AT = 1_500;
/** Samples after it. */
export const CHANGE_FOLLOWED = 400;

const white = (length: number, random: RandomState) =>
  Float64Array.from({ length }, () => nextNormal(random));

/** An autoregression of 0.6 and variance 1. */
function autoregression(length: number, random: RandomState): Float64Array {
  let x = 0;
  return white(length, random).map((e) => x = 0.6 * x + 0.8 * e);
}

/** Student's t with 4 degrees of freedom, of variance 1. */
function heavy(length: number, random: RandomState): Float64Array {
  return Float64Array.from({ length }, () => {
    const chi = -2 * Math.log((1 - nextUniform(random)) * (1 - nextUniform(random)));
    return nextNormal(random) / Math.sqrt(chi / 4) / Math.SQRT2;
  });
}

const sine = (cycles: number) => 5 * Math.sin(2 * Math.PI * cycles);

/** A day with a steep morning and a slow evening. */
function steepDay(cycles: number): number {
  const at = cycles - Math.floor(cycles);
  return at < 0.3 ? -4 : at < 0.4 ? -4 + 100 * (at - 0.3) : 6 - 10 * (at - 0.4) / 0.6;
}

/** The streams. */
export const CHANGE_BASES: readonly ChangeBase[] = [
  { name: "white noise", season: null, length: 0, noise: white },
  { name: "AR(1), 0.6", season: null, length: 0, noise: autoregression },
  { name: "Student t, 4 degrees", season: null, length: 0, noise: heavy },
  { name: "season of 24, noise", season: sine, length: 24, noise: white },
  { name: "season of 24, AR(1)", season: sine, length: 24, noise: autoregression },
  { name: "steep season of 24", season: steepDay, length: 24, noise: white },
  { name: "season of 96, noise", season: sine, length: 96, noise: white },
];

function seasonAt({ season }: ChangeBase, cycles: number): number {
  return season === null ? 0 : season(cycles);
}

/** A season whose amplitude is another one from the change on. */
function amplitude(times: number): ChangeKind["value"] {
  return ({ base, noise, cycles, since }) =>
    times * seasonAt(base, cycles + since / (base.length || 1)) + noise;
}

/** A season whose length is another one. */
function period(times: number): ChangeKind["value"] {
  return ({ base, noise, cycles, since }) =>
    seasonAt(base, cycles + since / (times * base.length)) + noise;
}

/** Noise that is larger or smaller. */
function spread(times: number): ChangeKind["value"] {
  const same = amplitude(1);
  return ({ noise, ...rest }) => same({ ...rest, noise: times * noise });
}

/** What comes on top of a stream that goes on. */
function added(what: (since: number) => number): ChangeKind["value"] {
  const same = amplitude(1);
  return (sample) => same(sample) + what(sample.since);
}

/** The ways. */
export const CHANGE_KINDS: readonly ChangeKind[] = [
  { name: "none", reasons: [], isSeasonal: false, value: amplitude(1) },
  {
    name: "spike of 9",
    reasons: ["spike"],
    isSeasonal: false,
    value: added((since) => since === 0 ? 9 : 0),
  },
  { name: "shift of 4", reasons: ["level"], isSeasonal: false, value: added(() => 4) },
  { name: "shift of 6", reasons: ["level"], isSeasonal: false, value: added(() => 6) },
  { name: "shift of 15", reasons: ["level"], isSeasonal: false, value: added(() => 15) },
  {
    name: "drift of 0.05",
    reasons: ["drift"],
    isSeasonal: false,
    value: added((since) => 0.05 * since),
  },
  { name: "spread times 3", reasons: ["variance"], isSeasonal: false, value: spread(3) },
  { name: "spread times 2", reasons: ["variance"], isSeasonal: false, value: spread(2) },
  { name: "spread times 0.4", reasons: ["variance"], isSeasonal: false, value: spread(0.4) },
  { name: "period times 3/4", reasons: ["season"], isSeasonal: true, value: period(0.75) },
  { name: "period times 1/2", reasons: ["season"], isSeasonal: true, value: period(0.5) },
  { name: "amplitude times 2", reasons: ["season"], isSeasonal: true, value: amplitude(2) },
  { name: "amplitude times 0.3", reasons: ["season"], isSeasonal: true, value: amplitude(0.3) },
  {
    name: "phase by a quarter",
    reasons: ["season"],
    isSeasonal: true,
    value: ({ cycles, ...rest }) => amplitude(1)({ ...rest, cycles: cycles + 0.25 }),
  },
  { name: "season gone", reasons: ["season"], isSeasonal: true, value: amplitude(0) },
];

/** A stream of a base that changes. */
export function changedStream(base: ChangeBase, kind: ChangeKind, seed: number): Float64Array {
  const noise = base.noise(CHANGE_AT + CHANGE_FOLLOWED, seedRandom(seed));
  const same = CHANGE_KINDS[0]!;
  const cycles = base.length === 0 ? 0 : CHANGE_AT / base.length;
  return noise.map((e, i) => {
    const sample = { base, noise: e, cycles, since: i - CHANGE_AT };
    return (i < CHANGE_AT ? same : kind).value(sample);
  });
}

/** What was told of one changed stream. */
export interface ChangeTold {
  /** Samples from the change to the first alarm; null without one. */
  readonly delay: number | null;
  /** Samples to the first word of the right reason; null without one. */
  readonly rightDelay: number | null;
  /** Reason of the first alarm as it was last told. */
  readonly last: Reason | null;
  readonly alarms: number;
}

/** What a detector's events tell of a change at a sample. */
export function changeTold(events: readonly FlagEvent[], { reasons }: ChangeKind): ChangeTold {
  const after = events.filter(({ index }) => index >= CHANGE_AT);
  const opened = after.filter(({ phase }) => phase === "open");
  const numbers = new Set(opened.map(({ number }) => number));
  const [first] = opened;
  const own = after.filter(({ number }) => number === first?.number);
  const right = after.find(({ number, reason }) => numbers.has(number) && reasons.includes(reason));
  return {
    delay: first === undefined ? null : first.index - CHANGE_AT,
    rightDelay: right === undefined ? null : right.index - CHANGE_AT,
    last: own.at(-1)?.reason ?? null,
    alarms: opened.length,
  };
}

/** One way to change one base, over streams of several seeds. */
export interface ChangeFigures {
  readonly base: string;
  readonly hasSeason: boolean;
  readonly change: string;
  readonly streams: number;
  /** Streams whose first alarm has the right reason in the end. */
  readonly right: number;
  /** Alarms in all, and how many first ones ended with each reason. */
  readonly alarms: number;
  readonly reasons: Readonly<Record<string, number>>;
  /** Samples to the first alarm, where there is one, and to the right reason.        [stream] */
  readonly delays: readonly number[];
  readonly rightDelays: readonly number[];
}

const detector = detectors[0]!;

function eventsOf(values: Float64Array, seed: number): FlagEvent[] {
  const timesS = Float64Array.from(values, (_, i) => 3_600 * i);
  const { length } = values;
  const out = { score: new Float64Array(length), flag: new Float64Array(length), events: [] };
  const state = detector.initialState({ channels: 1, seed, options: DEFAULT_FLAG_OPTIONS });
  detector.absorb(state, timesS, [values], out);
  return out.events;
}

/** Figures of one way to change one base. */
export function changeFigures(base: ChangeBase, kind: ChangeKind, streams: number): ChangeFigures {
  const all = Array.from({ length: streams }, (_, i) => {
    const seed = i + 1;
    return changeTold(eventsOf(changedStream(base, kind, seed), seed), kind);
  });
  const reasons: Record<string, number> = {};
  for (const { last } of all) if (last !== null) reasons[last] = (reasons[last] ?? 0) + 1;
  return {
    base: base.name,
    hasSeason: base.season !== null,
    change: kind.name,
    streams,
    right: all.filter(({ last }) => last !== null && kind.reasons.includes(last)).length,
    alarms: all.reduce((sum, { alarms }) => sum + alarms, 0),
    reasons,
    delays: all.flatMap(({ delay }) => delay ?? []),
    rightDelays: all.flatMap(({ rightDelay }) => rightDelay ?? []),
  };
}

/** Figures of all ways that a base can change, base by base. */
export function measureChanges(streams: number): ChangeFigures[] {
  return CHANGE_BASES.flatMap((base) =>
    CHANGE_KINDS.filter(({ isSeasonal }) => base.season !== null || !isSeasonal)
      .map((kind) => changeFigures(base, kind, streams))
  );
}
