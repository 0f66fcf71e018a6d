import { sha256Hex } from "../../base/hash.ts";
import type { Tree } from "../../base/tree.ts";
import { type LedgerChange, type LedgerEntry, PAGE_MAX, type Store } from "../../stores/store.ts";
import {
  type Alert,
  type AlertRule,
  CLOSED_ALERTS_MAX,
  type Delivery,
  DELIVERY_TYPES,
  type DeliveryType,
  type Watch,
} from "./alert.ts";
import { alertShape } from "./alert_shapes.ts";
import { DELIVERIES_WAITING_MAX } from "./deliveries.ts";

/** Ledgers of the store. */
const RULES = "alert-rule";
const ALERTS = "alert";
const WATCHES = "alert-watch";
const DELIVERIES = "alert-delivery";

/** What a piece of work changes, all or nothing. */
export interface BookChange {
  readonly rules?: readonly AlertRule[];
  readonly removedRules?: readonly string[];
  readonly alerts?: readonly Alert[];
  readonly watches?: readonly Watch[];
  readonly removedWatches?: readonly Watch[];
  readonly deliveries?: readonly Delivery[];
  readonly feedSettled?: number;
}

/** The key of what belongs to a rule and a stream. */
export function pairKey({ ruleId, streamId }: { ruleId: string; streamId: string }): string {
  return `${ruleId} ${streamId}`;
}

/** The key of an alert: the same event of the same rule always has the same. */
export function alertId(rule: AlertRule, streamId: string, openedNs: bigint): string {
  return sha256Hex(`${rule.id} ${streamId} ${openedNs}`).slice(0, 24);
}

/**
 * What a change of an alert is told as, with the alert as it was then. One that opened and ended
 * within one look is told of both: who opens something for it has to close it, too.
 */
function tellings(
  before: Alert | undefined,
  after: Alert,
): readonly (readonly [DeliveryType, Alert])[] {
  const isClosed = after.state === "closed";
  if (before === undefined) {
    const open: Alert = { ...after, state: "open", endedNs: null, closedNs: null, closedBy: null };
    return [["alert.opened", open], ...(isClosed ? [["alert.closed", after] as const] : [])];
  }
  if (before.state === "open" && isClosed) return [["alert.closed", after]];
  const isAcknowledged = before.acknowledgedNs === null && after.acknowledgedNs !== null;
  return isAcknowledged ? [["alert.acknowledged", after]] : [];
}

function bodyOf(type: DeliveryType, alert: Alert): string {
  const data = alertShape(alert);
  return JSON.stringify({ type, timestamp: data.updatedAt, data });
}

/**
 * Order in which alerts were noticed. One look at many samples notices several at one instant: they
 * are in the order of their opening.
 */
function byNotice(a: Alert, b: Alert): number {
  return Number(a.noticedNs - b.noticedNs) || Number(a.openedNs - b.openedNs);
}

/** Rules, alerts, watches and messages: in memory for reading, in the ledgers of the store. */
export class AlertBook {
  readonly #store: Store;
  readonly #rules = new Map<string, AlertRule>();
  /** In the order in which they were noticed. */
  readonly #alerts = new Map<string, Alert>();
  /** The newest alert of each rule and stream. */
  readonly #newest = new Map<string, Alert>();
  readonly #watches = new Map<string, Watch>();
  /** Offsets of the watches as the store has them. */
  readonly #saved = new Map<string, number>();
  readonly #deliveries = new Map<string, Map<string, Delivery>>();
  readonly #waiting = new Map<string, Delivery>();
  #openCount = 0;

  constructor(store: Store) {
    this.#store = store;
  }

  /** Reads all ledgers; needed before anything else. */
  async load(): Promise<void> {
    for (const rule of await this.#read<AlertRule>(RULES)) this.#rules.set(rule.id, rule);
    const alerts = await this.#read<Alert>(ALERTS);
    for (const alert of alerts.sort(byNotice)) this.#setAlert(alert);
    for (const watch of await this.#read<Watch>(WATCHES)) this.#setWatch(watch);
    const deliveries = await this.#read<Delivery>(DELIVERIES);
    // Of one instant: in the order of their alerts, and of what is told of each.
    const place = new Map(alerts.map(({ id }, i) => [id, i]));
    deliveries.sort((a, b) =>
      Number(a.createdNs - b.createdNs) ||
      (place.get(a.alertId) ?? 0) - (place.get(b.alertId) ?? 0) ||
      DELIVERY_TYPES.indexOf(a.type) - DELIVERY_TYPES.indexOf(b.type)
    );
    for (const delivery of deliveries) this.#setDelivery(delivery);
  }

  async #read<T>(ledger: string): Promise<T[]> {
    const values: T[] = [];
    for (let after = "";;) {
      const page = await this.#store.readLedger(ledger, { after, limit: PAGE_MAX });
      values.push(...page.map(({ value }) => value as T));
      if (page.length < PAGE_MAX) return values;
      after = page.at(-1)!.key;
    }
  }

  get rules(): IterableIterator<AlertRule> {
    return this.#rules.values();
  }

  get ruleCount(): number {
    return this.#rules.size;
  }

  rule(id: string): AlertRule | undefined {
    return this.#rules.get(id);
  }

  /** All alerts, the newest first. */
  get alerts(): Alert[] {
    return [...this.#alerts.values()].reverse();
  }

  get openCount(): number {
    return this.#openCount;
  }

  alert(id: string): Alert | undefined {
    return this.#alerts.get(id);
  }

  /** The newest alert of a rule on a stream. */
  newest(ruleId: string, streamId: string): Alert | undefined {
    return this.#newest.get(pairKey({ ruleId, streamId }));
  }

  watch(ruleId: string, streamId: string): Watch | undefined {
    return this.#watches.get(pairKey({ ruleId, streamId }));
  }

  /** The watches of a rule, or of a stream. */
  watchesOf(pair: { readonly ruleId?: string; readonly streamId?: string }): Watch[] {
    return [...this.#watches.values()].filter(({ ruleId, streamId }) =>
      ruleId === (pair.ruleId ?? ruleId) && streamId === (pair.streamId ?? streamId)
    );
  }

  /** Watches that the store has so many samples behind, or more. */
  unsaved(samples: number): Watch[] {
    return [...this.#watches.values()].filter((watch) =>
      watch.offset - (this.#saved.get(pairKey(watch)) ?? 0) >= samples
    );
  }

  /** Messages about an alert, oldest first. */
  deliveries(alertId: string): Delivery[] {
    return [...this.#deliveries.get(alertId)?.values() ?? []];
  }

  /** Messages that are not delivered yet, oldest first. */
  get waiting(): IterableIterator<Delivery> {
    return this.#waiting.values();
  }

  get waitingCount(): number {
    return this.#waiting.size;
  }

  /**
   * Writes a change to the store and then takes it over; alerts that changed bring their messages
   * along, so that no message can be without its alert or the other way round.
   *
   * @returns the alerts that changed, for those who listen
   */
  async write(change: BookChange, nowNs: bigint): Promise<readonly Alert[]> {
    const alerts = change.alerts ?? [];
    const told = alerts.flatMap((alert) => this.#messages(alert, change, nowNs));
    const deliveries = [...change.deliveries ?? [], ...told];
    const dropped = this.#dropped(alerts);
    const put = (ledger: string, key: string, value: object): LedgerEntry => ({
      ledger,
      key,
      value: value as Tree,
    });
    const ledger: LedgerChange = {
      puts: [
        ...(change.rules ?? []).map((rule) => put(RULES, rule.id, rule)),
        ...alerts.map((alert) => put(ALERTS, alert.id, alert)),
        ...(change.watches ?? []).map((watch) => put(WATCHES, pairKey(watch), watch)),
        ...deliveries.map((delivery) => put(DELIVERIES, delivery.id, delivery)),
      ],
      removes: [
        ...(change.removedRules ?? []).map((key) => ({ ledger: RULES, key })),
        ...(change.removedWatches ?? []).map((one) => ({ ledger: WATCHES, key: pairKey(one) })),
        ...dropped.map(({ id }) => ({ ledger: ALERTS, key: id })),
        ...dropped.flatMap(({ id }) =>
          this.deliveries(id).map((delivery) => ({ ledger: DELIVERIES, key: delivery.id }))
        ),
      ],
      ...(change.feedSettled === undefined ? {} : { feedSettled: change.feedSettled }),
    };
    await this.#store.writeLedger(ledger);
    for (const rule of change.rules ?? []) this.#rules.set(rule.id, rule);
    for (const id of change.removedRules ?? []) this.#rules.delete(id);
    for (const watch of change.watches ?? []) this.#setWatch(watch);
    for (const watch of change.removedWatches ?? []) {
      this.#watches.delete(pairKey(watch));
      this.#saved.delete(pairKey(watch));
    }
    for (const alert of alerts) this.#setAlert(alert);
    for (const delivery of deliveries) this.#setDelivery(delivery);
    for (const alert of dropped) this.#forget(alert);
    return alerts;
  }

  /** Remembers how far a watch is without writing it: what it read can be read again. */
  advance(watch: Watch): void {
    this.#watches.set(pairKey(watch), watch);
  }

  #messages(alert: Alert, change: BookChange, nowNs: bigint): Delivery[] {
    const rule = change.rules?.find(({ id }) => id === alert.ruleId) ??
      this.#rules.get(alert.ruleId);
    if (rule === undefined || rule.webhook === null) return [];
    const isFull = this.#waiting.size >= DELIVERIES_WAITING_MAX;
    const error = `DELIVERIES_WAITING_MAX is ${DELIVERIES_WAITING_MAX}`;
    return tellings(this.#alerts.get(alert.id), alert).map(([type, told]): Delivery => ({
      id: `msg_${alert.id}_${type.slice("alert.".length)}`,
      alertId: alert.id,
      ruleId: rule.id,
      type,
      state: isFull ? "failed" : "waiting",
      createdNs: nowNs,
      dueNs: nowNs,
      attempts: isFull ? [{ atNs: nowNs, elapsedMs: 0, status: null, error }] : [],
      body: bodyOf(type, told),
    }));
  }

  /** The oldest closed alerts beyond the limit. */
  #dropped(alerts: readonly Alert[]): Alert[] {
    const isClosing = ({ id, state }: Alert) =>
      state === "closed" && this.#alerts.get(id)?.state !== "closed";
    let excess = this.#alerts.size - this.#openCount + alerts.filter(isClosing).length -
      CLOSED_ALERTS_MAX;
    const dropped: Alert[] = [];
    for (const alert of this.#alerts.values()) {
      if (excess <= 0) break;
      if (alert.state === "open" || alerts.some(({ id }) => id === alert.id)) continue;
      dropped.push(alert);
      excess--;
    }
    return dropped;
  }

  #setWatch(watch: Watch): void {
    this.#watches.set(pairKey(watch), watch);
    this.#saved.set(pairKey(watch), watch.offset);
  }

  #setAlert(alert: Alert): void {
    const before = this.#alerts.get(alert.id);
    this.#openCount += Number(alert.state === "open") - Number(before?.state === "open");
    this.#alerts.set(alert.id, alert);
    const newest = this.#newest.get(pairKey(alert));
    if (newest === undefined || newest.id === alert.id || byNotice(newest, alert) <= 0) {
      this.#newest.set(pairKey(alert), alert);
    }
  }

  #forget(alert: Alert): void {
    for (const { id } of this.deliveries(alert.id)) this.#waiting.delete(id);
    this.#deliveries.delete(alert.id);
    this.#alerts.delete(alert.id);
    if (this.#newest.get(pairKey(alert))?.id === alert.id) this.#newest.delete(pairKey(alert));
  }

  #setDelivery(delivery: Delivery): void {
    const own = this.#deliveries.get(delivery.alertId) ?? new Map<string, Delivery>();
    this.#deliveries.set(delivery.alertId, own.set(delivery.id, delivery));
    if (delivery.state === "waiting") this.#waiting.set(delivery.id, delivery);
    else this.#waiting.delete(delivery.id);
  }
}
