import { bankRates, motionOf, UNIT_RATES } from "./_helpers/bank.ts";
import {
  type ChannelEvidence,
  type ChannelState,
  FLAG_PARTS,
  forgetTails,
  GRACE_PERIOD,
  initialChannels,
  initialEvidence,
  isIndependent,
  jumpShape,
  SCORE_PARTS,
  stepChannel,
} from "./_helpers/channel.ts";
import {
  endTrack,
  type EventTrack,
  initialTrack,
  isCool,
  type Moment,
  openTrack,
  raiseTrack,
  reviseTrack,
} from "./_helpers/event_track.ts";
import {
  endFaults,
  type Fault,
  FAULTS,
  type FaultState,
  type FaultStep,
  initialFaults,
  isFaulty,
  isTold,
  stepChannelFaults,
  stepClock,
  tellFault,
} from "./_helpers/faults.ts";
import {
  type FlagState,
  type FlagStep,
  holdFlag,
  initialFlag,
  isRise,
  LIGHT_TAIL,
  settleFlag,
  stepFlag,
  surpriseOf,
  type TailShape,
} from "./_helpers/flag_stage.ts";
import {
  countHidden,
  type HiddenEvent,
  hideEvent,
  initialHidden,
  revealHidden,
} from "./_helpers/hidden_event.ts";
import { reasonOf } from "./_helpers/reason.ts";
import { fuseScore, meanEvidence, spikeEvidence, weigh } from "./_helpers/weigh.ts";
import { keepChannel, rebaseChannel } from "./_helpers/rebase.ts";
import {
  type ChangeWatch,
  initialWatch,
  isEcho,
  nameVariance,
  openWatch,
  reviewAlarm,
} from "./_helpers/change_watch.ts";
import { isSeasonGateOpen, type SeasonState } from "./_helpers/season.ts";
import {
  initialPeriod,
  isPeriodSettled,
  type PeriodState,
  stepPeriod,
} from "./_helpers/sampling_period.ts";
import { oddBandHz, SPECTRUM_PERIOD_S_MAX } from "./_helpers/spectrum.ts";
import { tellSpreadChange } from "./_helpers/spread_change.ts";
import {
  DEFAULT_FLAG_OPTIONS,
  type Detector,
  type FlagEvent,
  type FlagOptions,
} from "./detector.ts";

/** Packed bytes of one channel and of the rest, with room for names; a law holds them. */
const CHANNEL_BYTES_MAX = 36_000;
const STREAM_BYTES_MAX = 16_000;

/** State of the multi-scale detector. */
export type MultiscaleState = {
  readonly options: FlagOptions;
  readonly period: PeriodState;
  readonly flag: FlagState;
  readonly track: EventTrack;
  readonly watch: ChangeWatch;
  readonly hidden: HiddenEvent;
  readonly faults: FaultState;
  /** Alarms so far. */
  readonly counter: { events: number };
  readonly channels: readonly ChannelState[];
};

/** Scratch by channel, as many as any stream had. */
const evidence: ChannelEvidence[] = [];
const scoreParts = new Float64Array(SCORE_PARTS);
const flagParts = new Float64Array(FLAG_PARTS);
const step: FlagStep = { flag: 0, rose: false, ended: false };

/** Advances all channels; writes `scoreParts` and `evidence`. */
function stepChannels(
  state: MultiscaleState,
  dt: number,
  values: readonly Float64Array[],
  index: number,
): { readonly present: number; readonly known: number } {
  const isFast = isPeriodSettled(state.period) && state.period.periodS <= SPECTRUM_PERIOD_S_MAX;
  const time = { dt, rates: dt === 1 ? UNIT_RATES : bankRates(dt), isFast };
  scoreParts.fill(0);
  let present = 0;
  let known = 0;
  for (let c = 0; c < state.channels.length; c++) {
    const channel = state.channels[c]!;
    const value = values[c]![index]!;
    const own = evidence[c] ??= initialEvidence();
    own.isPresent = false;
    if (!Number.isFinite(value)) {
      if (channel.count === 0) continue;
      channel.waiting += dt;
      known++;
      continue;
    }
    present++;
    known++;
    stepChannel(channel, value, time, scoreParts, own);
  }
  return { present, known };
}

/**
 * The evidence of all channels: each part is the largest of them, whose tail probability is that
 * many times larger.
 */
function fuseEvidence(channels: number, known: number): number {
  flagParts.fill(0);
  for (let c = 0; c < channels; c++) {
    const { parts, isPresent } = evidence[c]!;
    if (!isPresent) continue;
    for (let i = 0; i < FLAG_PARTS; i++) flagParts[i] = Math.max(flagParts[i]!, parts[i]!);
  }
  return weigh(flagParts, Math.log10(known));
}

/** A channel speaks in an event from this share of the loudest one's evidence on. */
const SPEAKING_SHARE = 0.7;

/** Channels whose own evidence is near the loudest one's, loudest first. */
function speakingChannels(count: number): number[] {
  const own = Array.from({ length: count }, (_, c) => {
    const { parts, isPresent } = evidence[c]!;
    return { c, v: isPresent ? weigh(parts, 0) : -1 };
  }).sort((a, b) => b.v - a.v || a.c - b.c);
  return own.filter(({ v }) => v >= 0 && v >= SPEAKING_SHARE * own[0]!.v).map(({ c }) => c);
}

/** A sample this many robust standard deviations away is far from the usual level. */
const FAR_EFFECT = 3;

/**
 * The heaviest tail of the channels that speak: a channel that says nothing does not vouch for
 * another's chances. Spikes are held against the jumps of the channels as well, which tell how high
 * a chance goes where samples are dependent.
 */
function heaviestShape(channels: readonly ChannelState[], known: number): TailShape {
  const correction = Math.log10(known);
  const isSpike = spikeEvidence(flagParts, correction) > meanEvidence(flagParts, correction);
  const shape = { jumps: 0, single: 0 };
  for (const c of speakingChannels(channels.length)) {
    const jumps = jumpShape(channels[c]!, evidence[c]!);
    shape.jumps = Math.max(shape.jumps, jumps);
    if (isSpike || isIndependent(channels[c]!)) shape.single = Math.max(shape.single, jumps);
  }
  return shape;
}

/** 1 where a channel's value is far above its usual level, −1 far below, else 0. */
function sideOf({ isPresent, effect }: ChannelEvidence): number {
  return isPresent && Math.abs(effect) >= FAR_EFFECT ? Math.sign(effect) : 0;
}

/** Opens the alarm of a shift that came with a fault, when that is over; −log10 p, else 0. */
function followHidden(state: MultiscaleState, moment: Moment, events: FlagEvent[]): number {
  const { hidden, channels, faults, track, options } = state;
  const { channel, surprise, score } = hidden;
  if (channel < 0) return 0;
  const { isStuck, isQuiet } = channels[channel]!.faults;
  const own = evidence[channel]!;
  if (own.isPresent && !isStuck && !isQuiet) countHidden(hidden, sideOf(own));
  if (isFaulty(faults, channel)) return 0;
  const isShown = revealHidden(hidden) && !track.isOpen &&
    Math.abs(own.effect) >= options.effectMin && isCool(track, moment.timeS, options);
  if (!isShown) return 0;
  holdFlag(state.flag);
  const opening = { surprise, score, reason: "level" as const, channels: [channel] };
  events.push(openTrack(track, opening, moment, state.counter));
  watchAlarm(state);
  return surprise;
}

/** Opens, follows and ends the alarms of what the evidence does. */
function followAlarm(
  state: MultiscaleState,
  { fused, score, known }: {
    readonly fused: number;
    readonly score: number;
    readonly known: number;
  },
  moment: Moment,
  events: FlagEvent[],
): number {
  const { flag: stage, track, options } = state;
  const wasTold = stage.told;
  const threshold = -Math.log10(options.falseAlarmRate);
  const isLearned = options.repeats === "learn";
  // Where each repetition is to be told, it is not to make its own tail heavy either.
  const isShaped = isLearned && isRise(stage, fused);
  const shape = isShaped ? heaviestShape(state.channels, known) : LIGHT_TAIL;
  stepFlag(stage, fused, { threshold, isLearned, shape }, step);
  followOpen(state, step.ended, moment, events);
  if (track.isOpen) {
    track.score = Math.max(track.score, score);
    track.samples++;
    const side = sideOf(evidence[track.channels[0]!]!);
    if (side > 0) track.above++;
    if (side < 0) track.below++;
    if (step.rose) raiseTrack(track, surpriseOf(stage, fused, shape), moment.timeS);
  }
  if (!stage.told || (wasTold && !step.ended)) return step.flag;
  const channels = speakingChannels(state.channels.length);
  const [loudest] = channels;
  if (loudest === undefined) return 0;
  const reason = reasonOf(evidence[loudest]!);
  const isShown = !isTold(state.faults, loudest, reason) &&
    !isEchoed(state, loudest) &&
    Math.abs(evidence[loudest]!.effect) >= options.effectMin &&
    isCool(track, moment.timeS, options);
  // The stage has told its event all the same, so that it does not open later in its fall.
  if (!isShown) {
    if (track.isOpen) raiseTrack(track, step.flag, moment.timeS);
    if (isFaulty(state.faults, loudest)) {
      hideEvent(state.hidden, { channel: loudest, surprise: step.flag, score });
    }
    return 0;
  }
  const opening = { surprise: step.flag, score, reason, channels };
  // An alarm that is held only because its change goes on gives way to what is more than that.
  if (track.isOpen) events.push(endTrack(track, moment.index));
  events.push(openTrack(track, opening, moment, state.counter));
  watchAlarm(state);
  return step.flag;
}

/** Watches the alarm that has just opened. */
function watchAlarm(state: MultiscaleState): void {
  const { watch, track, channels } = state;
  const [channel] = track.channels;
  for (const other of channels) other.kept = null;
  keepChannel(channels[channel!]!);
  const { season } = channels[channel!]!;
  const length = isSeasonGateOpen(season) ? season.length : 0;
  openWatch(watch, { channel: channel!, tick: season.tick, length, reason: track.reason });
}

/** The channel of the watched alarm; null where it has no sample. */
function watched({ watch, channels }: MultiscaleState): SeasonState | null {
  if (watch.channel < 0 || !evidence[watch.channel]!.isPresent) return null;
  const { season, faults } = channels[watch.channel]!;
  // What a value that stands still does is no change of the level or the season.
  if (faults.isStuck) watch.channel = -1;
  return faults.isStuck ? null : season;
}

/** Revises the open alarm, and ends it where it is over. */
function followOpen(
  state: MultiscaleState,
  isQuiet: boolean,
  { index }: Moment,
  events: FlagEvent[],
): void {
  const { watch, track } = state;
  if (!track.isOpen) return;
  const { reason } = track;
  const isOver = reviewAlarm(watch, track, watched(state), isQuiet);
  if (isOver) settleLevel(state);
  if (isOver) events.push(endTrack(track, index));
  else if (track.reason !== reason) events.push(reviseTrack(track, index));
}

/** Looks at the channel from its new level, where the alarm that is over was one of that. */
function settleLevel(state: MultiscaleState): void {
  const { watch, channels, track, flag } = state;
  const channel = channels[watch.channel];
  // It goes on where it echoes.
  if (channel !== undefined && track.reason === "level" && watch.until !== 0) {
    const { tick } = channel.season;
    if (rebaseChannel(channel, { since: watch.since, tick, length: watch.length })) {
      settleFlag(flag);
      Object.assign(watch, initialWatch());
    }
  }
  for (const other of channels) other.kept = null;
}

/** True where an alarm would only tell what a change before has left behind. */
function isEchoed(state: MultiscaleState, channel: number): boolean {
  const season = watched(state);
  return season !== null && state.watch.channel === channel && isEcho(state.watch, season);
}

const fault: FaultStep = { stuck: 0, silent: 0, quiet: 0 };

/** Opens and ends the alarms of faults; returns −log10 p where one opens, else 0. */
function followFaults(
  state: MultiscaleState,
  values: readonly Float64Array[],
  { dt, isClockFaulty }: { readonly dt: number; readonly isClockFaulty: boolean },
  moment: Moment,
  events: FlagEvent[],
): number {
  const { faults, track, options, counter, channels } = state;
  const threshold = -Math.log10(options.falseAlarmRate);
  const rule = { threshold, isLearned: options.repeats === "learn" };
  const told = { moment, options, counter, events };
  const begun: Record<Fault["kind"], number[]> = {
    stuck: [],
    dropout: [],
    variance: [],
    spread: [],
    clock: [],
    season: [],
    spectrum: [],
  };
  const clock = stepClock(faults, isClockFaulty);
  const most = { stuck: 0, dropout: 0, variance: 0, spread: 0, clock, season: 0, spectrum: 0 };
  for (let c = 0; c < channels.length; c++) {
    const value = values[c]![moment.index]!;
    const isMissing = !Number.isFinite(value);
    if (isMissing && channels[c]!.faults.count === 0) continue;
    const sample = { value: isMissing ? NaN : value, dt, motion: motionOf(channels[c]!.bank) };
    stepChannelFaults(channels[c]!.faults, sample, rule, fault);
    if (fault.stuck > 0) begun.stuck.push(c);
    if (fault.silent > 0) begun.dropout.push(c);
    if (fault.quiet > 0) begun.variance.push(c);
    most.stuck = Math.max(most.stuck, fault.stuck);
    most.dropout = Math.max(most.dropout, fault.silent);
    most.variance = Math.max(most.variance, fault.quiet);
  }
  let flag = 0;
  for (const kind of FAULTS) {
    if (most[kind] < threshold) continue;
    const begins = { kind, surprise: most[kind], channels: begun[kind] };
    flag = Math.max(flag, tellFault(faults, begins, track, told));
  }
  endFaults(faults, channels, told);
  return flag;
}

const CHANGES = ["season", "spectrum", "spread"] as const;

/** −log10 p of a change that a channel shows, else 0. */
function changeOf(kind: typeof CHANGES[number], own: ChannelEvidence): number {
  if (!own.isPresent) return 0;
  if (kind === "spread") return Math.abs(own.spreadChange);
  return kind === "season" ? own.seasonChange : own.spectrum;
}

/** Samples after an alarm of a variance in which a changed spread is the same event. */
const SAME_VARIANCE = 256;

/** True where a change was told as something else, or is what another change left behind. */
function isKnownChange(
  state: MultiscaleState,
  kind: typeof CHANGES[number],
  channel: number,
  timeS: number,
): boolean {
  if (kind === "spectrum") return false;
  if (isEchoed(state, channel)) return true;
  if (kind === "season") return false;
  // What stands still, stays away or hardly moves is told as that.
  if (isFaulty(state.faults, channel)) return true;
  const { track, period } = state;
  return track.reason === "variance" && track.channels.includes(channel) &&
    timeS - track.lastOpenedS <= SAME_VARIANCE * period.periodS;
}

/** Opens the alarms of changed seasons, spectra and spreads; −log10 p where one opens, else 0. */
function followChanges(state: MultiscaleState, moment: Moment, events: FlagEvent[]): number {
  const { faults, track, options, counter, channels, period } = state;
  const threshold = -Math.log10(options.falseAlarmRate);
  const told = { moment, options, counter, events };
  // As with the evidence, the largest of so many is that many times likelier.
  const correction = Math.log10(channels.length);
  let flag = 0;
  for (const kind of CHANGES) {
    let surprise = 0;
    for (let c = 0; c < channels.length; c++) {
      surprise = Math.max(surprise, changeOf(kind, evidence[c]!) - correction);
    }
    // Hardly any sample shows a change: the rest is for those that do.
    if (surprise < threshold) continue;
    const surprises = channels.map((_, c) => changeOf(kind, evidence[c]!) - correction);
    const odd = [...surprises.keys()].filter((c) => surprises[c]! >= threshold);
    if (kind === "spread") {
      for (const c of odd) {
        const side = Math.sign(evidence[c]!.spreadChange);
        tellSpreadChange(channels[c]!.spreadChange, side);
        const isNamed = side > 0 && nameVariance(state.watch, track, c);
        if (isNamed) events.push(reviseTrack(track, moment.index));
      }
    }
    const begun = odd.filter((c) => !isKnownChange(state, kind, c, moment.timeS))
      .sort((a, b) => surprises[b]! - surprises[a]! || a - b);
    if (begun.length === 0) continue;
    const { spectrum } = channels[begun[0]!]!;
    const bandHz = kind === "spectrum" ? oddBandHz(spectrum!, period.periodS) : undefined;
    const begins = { kind, surprise, channels: begun, bandHz };
    flag = Math.max(flag, tellFault(faults, begins, track, told));
  }
  return flag;
}

/**
 * One multi-scale state, two answers: a calibrated score that ranks samples (high all through an
 * event) and a flag that opens one alarm an event.
 *
 *   score = (mean of u^4)^(1/4)   u of: Mahalanobis distance of bands, level and log energies; its
 *                                 average over 4 samples; robust distance of the slow level
 *   evidence = (2 u_subspace + u_level + u_pattern + 2 u_change) / 6,
 *              or 0.3 (u_level + u_distance)
 *
 * Over several channels the largest u counts, part by part. The state takes 25 to 30 KB a channel
 * as it is stored, most of it past patterns and the ring in which the season is searched, 4 KB of
 * it in the channel whose alarm is open.
 */
export const multiscale: Detector<MultiscaleState> = {
  name: "multiscale/10",
  gracePeriod: GRACE_PERIOD,
  stateBytesMax: (channels) => STREAM_BYTES_MAX + channels * CHANNEL_BYTES_MAX,

  initialState: ({ channels, seed, options = DEFAULT_FLAG_OPTIONS }) => ({
    options: { ...options },
    period: initialPeriod(),
    flag: initialFlag(),
    track: initialTrack(),
    watch: initialWatch(),
    hidden: initialHidden(),
    faults: initialFaults(),
    counter: { events: 0 },
    channels: initialChannels(0, channels, seed),
  }),

  addChannels: (state, { channels, seed }) => ({
    ...state,
    channels: [
      ...state.channels,
      ...initialChannels(state.channels.length, channels, seed),
    ],
  }),

  forgetTails(state, channel) {
    forgetTails(state.channels[channel]!);
  },

  absorb(state, timesS, values, out) {
    for (let i = 0; i < timesS.length; i++) {
      const timeS = timesS[i]!;
      const { count, lastS, periodS } = state.period;
      const isSettled = isPeriodSettled(state.period);
      const dt = stepPeriod(state.period, timeS);
      const isClockFaulty = count > 0 &&
        (!(timeS > lastS) || (isSettled && state.period.periodS !== periodS));
      const moment = { index: i, timeS };
      const faulty = followFaults(state, values, { dt, isClockFaulty }, moment, out.events);
      const { present, known } = stepChannels(state, dt, values, i);
      const changed = present > 0 ? followChanges(state, moment, out.events) : 0;
      const score = fuseScore(scoreParts);
      out.score[i] = score;
      out.flag[i] = Math.max(faulty, changed);
      if (present === 0) continue;
      const fused = fuseEvidence(state.channels.length, known);
      const alarm = followAlarm(state, { fused, score, known }, moment, out.events);
      const shift = followHidden(state, moment, out.events);
      out.flag[i] = Math.max(out.flag[i]!, alarm, shift);
    }
  },
};
