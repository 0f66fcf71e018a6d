/**
 * When a stream that used to be heard is missed, by the live clock.
 *
 *   silence   = now − newest sample                    from this process's start at the earliest
 *   longest L = the longest silence that an arrival ended, of the last two to four weeks
 *   p         = (L / silence)^1.5 / (n + 1)            where silence is at least 2 L and 30 s
 *
 * n is the number of arrivals in that time. A record comes once in all arrivals so far, and a
 * longer one as much less often as a Pareto tail of 1.5 has it, which is more than that of most
 * irregular streams. Since silences are counted until samples arrive, uploads in batches, late
 * networks and nights without samples all earn their stream patience.
 *
 * Arrivals count while the stream is live: the newest sample that came was at most half as old as
 * the silence that it ended was long, three times in a row. The import of a past is not live, nor
 * the step from it to the present.
 *
 * Where a person says that a silence was fine, L is at least as long from then on.
 */

/** Arrivals before anything is missed. */
export const HEARTBEAT_ARRIVALS_MIN = 30;
/** Silence in which nothing is missed, in seconds: a process may stall, and so may a network. */
export const SILENCE_S_MIN = 30;
const RECORD_MIN = 2;
const TAIL = 1.5;
const LIVE_RUN = 3;
/** A block of the past is over after so many arrivals and so many seconds; two are remembered. */
const BLOCK_ARRIVALS = 512;
const BLOCK_S = 14 * 86_400;
const LIVE_SHARE = 0.5;
/** Growth of what is known at which it is worth writing. */
const KEPT_GROWTH = 1.25;
/** Before any time, in seconds. */
const NEVER_S = -1e300;

/** What is known of one stream's arrivals; plain data, as a ledger keeps it. */
export type StreamHeartbeat = {
  /** Time of the newest sample, in seconds; −1e300 before the first. */
  lastS: number;
  /** Live arrivals in a row, three at most. */
  liveRun: number;
  /** Arrivals in the present block, the longest silence that they ended, and when it began. */
  count: number;
  longestS: number;
  blockStartS: number;
  /** The same of the block before. */
  formerCount: number;
  formerLongestS: number;
  /** True where a sample came since the alarm opened. */
  heard: boolean;
  lastOpenedS: number;
  alarm: HeartbeatAlarm | null;
  /** The silence of the last alarm, as far as it is known. */
  alarmSilenceS: number;
  /** The longest silence that a person called fine; 0 = none. */
  fineS: number;
  /** What the ledger has. */
  savedCount: number;
  savedLongestS: number;
};

/** A missing heartbeat that was flagged. */
export type HeartbeatAlarm = {
  readonly openedNs: bigint;
  /** −log10 p at the opening. */
  readonly surprise: number;
  /** Whether its silence is one of the stream's past when it is over. */
  readonly isLearned: boolean;
  isStored: boolean;
  /** True where a person called it fine: it ends, though nothing was heard. */
  isFine: boolean;
};

/** A stream that was never heard. */
export function initialHeartbeat(): StreamHeartbeat {
  return {
    lastS: NEVER_S,
    liveRun: 0,
    count: 0,
    longestS: 0,
    blockStartS: 0,
    formerCount: 0,
    formerLongestS: 0,
    heard: false,
    lastOpenedS: NEVER_S,
    alarm: null,
    alarmSilenceS: 0,
    fineS: 0,
    savedCount: 0,
    savedLongestS: 0,
  };
}

interface Now {
  readonly nowS: number;
  /** When this process began to listen. */
  readonly startedS: number;
}

/** Seconds without a sample. */
export function silenceOf({ lastS }: StreamHeartbeat, { nowS, startedS }: Now): number {
  return Math.max(0, nowS - Math.max(lastS, startedS));
}

/** Takes in that samples came, of which the newest is of `newestS`. */
export function hearArrival(
  stream: StreamHeartbeat,
  { newestS, ...now }: Now & { readonly newestS: number },
): void {
  const { nowS } = now;
  const silenceS = silenceOf(stream, now);
  const isFirst = stream.lastS === NEVER_S;
  const isLive = !isFirst && nowS - newestS <= LIVE_SHARE * silenceS;
  stream.liveRun = isLive ? Math.min(stream.liveRun + 1, LIVE_RUN) : 0;
  if (stream.liveRun === LIVE_RUN) {
    if (stream.count === 0) stream.blockStartS = nowS;
    stream.count++;
    const isOwn = stream.alarm === null || stream.alarm.isLearned;
    if (isOwn) stream.longestS = Math.max(stream.longestS, silenceS);
    if (stream.count >= BLOCK_ARRIVALS && nowS - stream.blockStartS >= BLOCK_S) {
      stream.formerCount = stream.count;
      stream.formerLongestS = stream.longestS;
      stream.count = 0;
      stream.longestS = 0;
    }
  }
  if (stream.alarm !== null && !stream.heard) stream.alarmSilenceS = silenceS;
  stream.lastS = newestS;
  stream.heard = true;
}

/** True where the stream had an alarm, of which something can be said. */
export function wasMissed({ alarm, lastOpenedS }: StreamHeartbeat): boolean {
  return alarm !== null || lastOpenedS !== NEVER_S;
}

/**
 * Takes in what a person says of the stream's last alarm: a silence that was fine is none to speak
 * of again, and one that is going on ends its alarm; `false` takes back whatever was fine.
 */
export function takeHeartbeatFeedback(
  stream: StreamHeartbeat,
  { isFine, ...now }: Now & { readonly isFine: boolean },
): void {
  if (!isFine) {
    stream.fineS = 0;
    return;
  }
  const { alarm } = stream;
  const isSilent = alarm !== null && !stream.heard;
  if (isSilent) stream.alarmSilenceS = silenceOf(stream, now);
  stream.fineS = Math.max(stream.fineS, stream.alarmSilenceS);
  if (isSilent) alarm.isFine = true;
}

/** −log10 of the chance an arrival of such a silence; 0 where it is none to speak of. */
export function silenceSurprise(stream: StreamHeartbeat, silenceS: number): number {
  const count = stream.count + stream.formerCount;
  const longestS = Math.max(stream.longestS, stream.formerLongestS, stream.fineS);
  if (stream.liveRun < LIVE_RUN || count < HEARTBEAT_ARRIVALS_MIN || !(longestS > 0)) return 0;
  if (silenceS < SILENCE_S_MIN || silenceS < RECORD_MIN * longestS) return 0;
  return Math.log10(count + 1) + TAIL * Math.log10(silenceS / longestS);
}

/** True where so much more is known than is kept that a crash would lose something. */
export function isWorthKeeping(stream: StreamHeartbeat): boolean {
  const { count, savedCount, longestS, savedLongestS } = stream;
  if (count < savedCount) return true;
  return count >= HEARTBEAT_ARRIVALS_MIN &&
    (count > KEPT_GROWTH * savedCount || longestS > KEPT_GROWTH * savedLongestS);
}
