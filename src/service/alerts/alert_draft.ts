import type { AlarmEnd } from "../../stores/store.ts";
import {
  type Alert,
  type AlertRule,
  type ClosedBy,
  type Finding,
  OPEN_ALERTS_MAX,
} from "./alert.ts";
import { type AlertBook, alertId, pairKey } from "./alert_book.ts";
import { anomalySummary } from "./findings.ts";
import { isInMaintenance } from "./maintenance.ts";

/** One finding of one rule. */
export interface Raised {
  readonly rule: AlertRule;
  readonly streamId: string;
  readonly finding: Finding;
  /** True where this is when it began, false where it only still holds. */
  readonly isBegin: boolean;
}

/** What became of findings that opened no alert. */
export interface DraftCounts {
  silenced: number;
  dropped: number;
}

/**
 * Changes of alerts that are made out and not written yet. What belongs to one rule and stream is
 * one alert while it is open: further events are counted with it, also while it cools down.
 */
export class AlertDraft {
  readonly counts: DraftCounts = { silenced: 0, dropped: 0 };
  readonly #book: AlertBook;
  readonly #nowNs: bigint;
  readonly #alerts = new Map<string, Alert>();
  readonly #newest = new Map<string, Alert>();
  #opened = 0;

  constructor(book: AlertBook, nowNs: bigint) {
    this.#book = book;
    this.#nowNs = nowNs;
  }

  /** Alerts that changed. */
  get alerts(): readonly Alert[] {
    return [...this.#alerts.values()];
  }

  /** The newest alert of a rule on a stream, as it will be. */
  newest(ruleId: string, streamId: string): Alert | undefined {
    return this.#newest.get(pairKey({ ruleId, streamId })) ?? this.#book.newest(ruleId, streamId);
  }

  #put(alert: Alert): void {
    this.#alerts.set(alert.id, alert);
    this.#newest.set(pairKey(alert), alert);
  }

  /** Opens an alert, counts the finding with the one there is, or passes it over. */
  raise({ rule, streamId, finding, isBegin }: Raised): void {
    const newest = this.newest(rule.id, streamId);
    if (newest?.state === "open") {
      if (isBegin) this.#put(merged(newest, finding));
      return;
    }
    if (newest !== undefined) {
      if (newest.isHeld) return;
      const restNs = BigInt(Math.round(rule.coolDownS * 1e9));
      if (finding.timeNs < (newest.endedNs ?? newest.openedNs) + restNs) {
        if (isBegin) this.#put({ ...newest, eventCount: newest.eventCount + 1 });
        return;
      }
    }
    if (this.#isOld(rule, finding)) return;
    if (isInMaintenance(rule.maintenance, finding.timeNs)) {
      if (isBegin) this.counts.silenced++;
      return;
    }
    const id = alertId(rule, streamId, finding.timeNs);
    // The same event again: it was told, and a person or its end has closed it.
    if (this.#book.alert(id) !== undefined || this.#alerts.has(id)) return;
    if (this.#book.openCount + this.#opened >= OPEN_ALERTS_MAX) {
      this.counts.dropped++;
      return;
    }
    this.#opened++;
    this.#put(opened(id, { rule, streamId, finding, isBegin }, this.#nowNs));
  }

  #isOld({ maxAgeS }: AlertRule, { timeNs }: Finding): boolean {
    return maxAgeS !== null && Number(this.#nowNs - timeNs) / 1e9 > maxAgeS;
  }

  /** The condition holds no longer: an open alert is over, one that was held may come again. */
  rest(rule: AlertRule, streamId: string, timeNs: bigint): void {
    const newest = this.newest(rule.id, streamId);
    if (newest === undefined) return;
    if (newest.state === "open") this.#put(closed(newest, "itself", timeNs, this.#nowNs));
    else if (newest.isHeld) this.#put({ ...newest, isHeld: false });
  }

  /** The flag behind an alert is over. */
  endFlag(rule: AlertRule, end: AlarmEnd): void {
    const newest = this.newest(rule.id, end.streamId);
    // A flag that was over before this alert's began is another one.
    if (newest?.state !== "open" || end.peakNs + 1_000n < newest.openedNs) return;
    const over = closed(newest, "itself", end.endedNs, this.#nowNs);
    const isRarer = end.p <= (newest.p ?? 1);
    this.#put({
      ...over,
      ...(isRarer ? { p: end.p, peakNs: end.peakNs, reason: end.reason } : {}),
      score: Math.max(end.score, newest.score ?? 0),
    });
  }

  /** The flag behind an alert turned out to be of another reason. */
  reviseFlag(rule: AlertRule, end: AlarmEnd): void {
    const newest = this.newest(rule.id, end.streamId);
    if (newest?.state !== "open" || newest.number !== end.number) return;
    this.#put({ ...newest, reason: end.reason, summary: anomalySummary(end) });
  }

  /** Closes an alert for another reason than its condition. */
  close(alert: Alert, by: ClosedBy): void {
    if (alert.state === "closed") return;
    const isHeld = by === "person" && alert.kind !== "anomaly";
    this.#put({ ...closed(alert, by, alert.endedNs, this.#nowNs), isHeld });
  }

  /** Says that a person has seen an alert. */
  acknowledge(alert: Alert): void {
    if (alert.acknowledgedNs === null) this.#put({ ...alert, acknowledgedNs: this.#nowNs });
  }
}

function opened(id: string, { rule, streamId, finding }: Raised, nowNs: bigint): Alert {
  const { timeNs, ...found } = finding;
  return {
    id,
    ruleId: rule.id,
    ruleName: rule.name,
    severity: rule.severity,
    streamId,
    kind: rule.condition.kind,
    state: "open",
    ...found,
    openedNs: timeNs,
    peakNs: timeNs,
    endedNs: null,
    noticedNs: nowNs,
    acknowledgedNs: null,
    closedNs: null,
    closedBy: null,
    eventCount: 1,
    isHeld: false,
  };
}

/** Counts a further event; the rarer of the two is what is shown. */
function merged(alert: Alert, { timeNs, ...found }: Finding): Alert {
  const isRarer = found.p !== null && found.p < (alert.p ?? 1);
  return {
    ...alert,
    ...(isRarer ? { ...found, peakNs: timeNs } : {}),
    eventCount: alert.eventCount + 1,
  };
}

function closed(alert: Alert, by: ClosedBy, endedNs: bigint | null, nowNs: bigint): Alert {
  return { ...alert, state: "closed", endedNs, closedNs: nowNs, closedBy: by };
}
