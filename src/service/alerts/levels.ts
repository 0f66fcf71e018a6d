import type { Clock } from "../../base/clock.ts";
import { typicalStepNs } from "../listing.ts";
import type { Store, StreamRecord } from "../../stores/store.ts";
import type { Engine, StreamSummary } from "../../streams/engine.ts";
import type { AlertRule, Condition, Finding, ForecastCondition } from "./alert.ts";
import { coverageFinding, forecastFinding, heartbeatFinding, peersFinding } from "./findings.ts";
import type { PeerTable } from "./peers.ts";
import { allStreams } from "./rules.ts";
import { isChosen } from "./stream_match.ts";

/** Future times at which a rule looks at a forecast, at most. */
export const FORECAST_LOOKS_MAX = 256;

/** Samples from which the typical step of a stream is taken. */
const STEP_SAMPLES = 32;

/** Peers whose last sample is older than this many seconds are left out. */
const PEER_AGE_S_MAX = 3_600;

/** What a look at one stream says of one rule; no finding = the condition does not hold. */
export interface Level {
  readonly rule: AlertRule;
  readonly streamId: string;
  readonly finding: Finding | null;
  readonly timeNs: bigint;
}

/** What looks stand on. */
export interface LevelParts {
  readonly store: Store;
  readonly engine: Engine;
  readonly clock: Clock;
  readonly peers: PeerTable;
}

type Rule<Kind extends Condition["kind"]> = AlertRule & {
  readonly condition: Extract<Condition, { kind: Kind }>;
};

function isOfKind<Kind extends Condition["kind"]>(
  rule: AlertRule,
  kind: Kind,
): rule is Rule<Kind> {
  return rule.condition.kind === kind;
}

/** Equally spaced times up to `withinS` ahead, one a sampling period while they are few. */
export function lookTimes(
  originNs: bigint,
  { withinS }: ForecastCondition,
  periodS: number,
): BigInt64Array {
  const count = Math.max(1, Math.min(FORECAST_LOOKS_MAX, Math.floor(withinS / periodS)));
  const withinNs = Math.max(count, Math.round(withinS * 1e9));
  return BigInt64Array.from(
    { length: count },
    (_, i) => originNs + BigInt(Math.round((withinNs * (i + 1)) / count)),
  );
}

/** Looks at all streams for the rules on what is, rather than on what happens. */
export class Levels {
  readonly #parts: LevelParts;
  /** In-order samples at the last look on a state, and the typical step, by stream. */
  readonly #seen = new Map<string, number>();
  readonly #steps = new Map<string, { count: number; stepS: number }>();

  constructor(parts: LevelParts) {
    this.#parts = parts;
  }

  forget(streamId: string): void {
    this.#seen.delete(streamId);
    this.#steps.delete(streamId);
  }

  /** Forgets what was looked at: rules have changed. */
  reset(): void {
    this.#seen.clear();
  }

  /** One look at all streams that some rule chooses. */
  async look(rules: readonly AlertRule[]): Promise<Level[]> {
    const heartbeats = rules.filter((rule) => isOfKind(rule, "heartbeat"));
    const peers = rules.filter((rule) => isOfKind(rule, "peers"));
    const ofState = rules.filter(({ condition: { kind } }) =>
      kind === "forecast" || kind === "coverage"
    );
    const groups = new Map(peers.map((rule) => [rule, [] as string[]]));
    const levels: Level[] = [];
    if (heartbeats.length + peers.length + ofState.length === 0) return levels;
    for await (const page of allStreams(this.#parts.store)) {
      levels.push(...await this.#heartbeats(heartbeats, page));
      for (const record of page) {
        for (const [rule, ids] of groups) if (isChosen(rule.streams, record)) ids.push(record.id);
        const own = ofState.filter((rule) => isChosen(rule.streams, record));
        if (own.length > 0) levels.push(...await this.#ofState(own, record));
      }
    }
    for (const [rule, ids] of groups) levels.push(...this.#ofPeers(rule, ids));
    return levels;
  }

  async #heartbeats(
    rules: readonly Rule<"heartbeat">[],
    page: readonly StreamRecord[],
  ): Promise<Level[]> {
    const chosen = page.filter((record) => rules.some(({ streams }) => isChosen(streams, record)));
    // A step is that of so many samples: it is read again when as many have come, or while young.
    const unknown = chosen.filter(({ id, inOrderCount }) => {
      const count = this.#steps.get(id)?.count ?? -1;
      const isYoung = count < STEP_SAMPLES && count !== inOrderCount;
      return isYoung || inOrderCount >= count + STEP_SAMPLES;
    });
    const tails = await this.#parts.store.readTails(unknown.map(({ id }) => id), STEP_SAMPLES);
    for (const [i, { id, inOrderCount }] of unknown.entries()) {
      const stepNs = tails[i] ? typicalStepNs(tails[i]) : 0n;
      this.#steps.set(id, { count: inOrderCount, stepS: Number(stepNs) / 1e9 });
    }
    const nowNs = this.#parts.clock.nowNs();
    const levels: Level[] = [];
    for (const record of chosen) {
      const { lastNs, id: streamId } = record;
      if (lastNs === null) continue;
      for (const rule of rules) {
        if (!isChosen(rule.streams, record)) continue;
        const periodS = rule.condition.periodS ?? this.#steps.get(streamId)!.stepS;
        const finding = heartbeatFinding(rule.condition, { lastNs, periodS, nowNs });
        levels.push({ rule, streamId, finding, timeNs: nowNs });
      }
    }
    return levels;
  }

  /** Rules on forecasts and coverage: nothing to look at while no sample has come. */
  async #ofState(rules: readonly AlertRule[], record: StreamRecord): Promise<Level[]> {
    const { id: streamId, inOrderCount, lastNs } = record;
    if (lastNs === null || this.#seen.get(streamId) === inOrderCount) return [];
    try {
      const state = await this.#parts.engine.summarize(streamId);
      const levels: Level[] = [];
      for (const rule of rules) {
        const level = await this.#ofOne(rule, streamId, lastNs, state);
        if (level !== null) levels.push(level);
      }
      this.#seen.set(streamId, inOrderCount);
      return levels;
    } catch {
      // A stream that is behind, fails, or has moved on meanwhile is looked at the next time.
      return [];
    }
  }

  async #ofOne(
    rule: AlertRule,
    streamId: string,
    lastNs: bigint,
    state: StreamSummary,
  ): Promise<Level | null> {
    const nowNs = this.#parts.clock.nowNs();
    if (isOfKind(rule, "coverage")) {
      const finding = coverageFinding(rule.condition, state, nowNs);
      return { rule, streamId, finding, timeNs: nowNs };
    }
    if (!isOfKind(rule, "forecast") || state.periodS === null) return null;
    const { condition } = rule;
    const { channel } = condition;
    if (channel !== null && !Object.hasOwn(state.perChannel, channel)) return null;
    const forecast = await this.#parts.engine.forecast(streamId, {
      timesNs: lookTimes(lastNs, condition, state.periodS),
      quantiles: Float64Array.of(condition.quantile),
      isUnproved: true,
      ...(channel === null ? {} : { channels: [channel] }),
    });
    return { rule, streamId, finding: forecastFinding(condition, forecast), timeNs: lastNs };
  }

  #ofPeers(rule: Rule<"peers">, ids: readonly string[]): Level[] {
    const freshNs = this.#parts.clock.nowNs() - BigInt(PEER_AGE_S_MAX) * 1_000_000_000n;
    const distances = this.#parts.peers.distances(ids, freshNs);
    const worst = new Map<string, Level>();
    const { sigmas } = rule.condition;
    for (const distance of distances) {
      const { streamId, timeNs, value, median, scale } = distance;
      const isFar = Math.abs(value - median) > sigmas * scale;
      const finding = isFar ? peersFinding(distance) : null;
      if (finding === null && worst.has(streamId)) continue;
      worst.set(streamId, { rule, streamId, finding, timeNs });
    }
    return [...worst.values()];
  }
}
