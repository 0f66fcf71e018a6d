import type { Clock } from "../../base/clock.ts";
import { ConflictError, NotFoundError } from "../../base/errors.ts";
import { withoutMissing } from "../../stores/channel_range.ts";
import { type FeedEntry, PAGE_MAX, type Store, type StreamRecord } from "../../stores/store.ts";
import type { Applied, Engine } from "../../streams/engine.ts";
import { EventHub } from "../events.ts";
import type { Log } from "../telemetry.ts";
import type { Alert, AlertRule, Condition, ValueCondition, Watch } from "./alert.ts";
import { AlertBook, type BookChange } from "./alert_book.ts";
import { AlertDraft, type DraftCounts } from "./alert_draft.ts";
import {
  type AlertShape,
  alertShape,
  type DeliveryShape,
  deliveryShape,
  type RuleShape,
  ruleShape,
} from "./alert_shapes.ts";
import { Dispatcher } from "./deliveries.ts";
import { inTimeOrder } from "./feed_order.ts";
import { anomalyFinding, endFinding } from "./findings.ts";
import { type Level, Levels } from "./levels.ts";
import { PeerTable } from "./peers.ts";
import { allStreams, type RuleInput, Rules } from "./rules.ts";
import { isChosen } from "./stream_match.ts";
import { watchValues } from "./value_watch.ts";
import type { SendWebhook } from "./webhook_sender.ts";

/** Milliseconds between two looks at the feed and at the messages that are due. */
export const ALERT_TICK_MS = 1_000;
/** Milliseconds between two looks at all streams, for the rules on what is. */
export const ALERT_LOOK_MS = 10_000;
/** Samples that wait for the rules on values; beyond, they are read from the log later. */
export const ALERT_QUEUE_SAMPLES_MAX = 100_000;
/** Samples that a rule on values reads of a log at a time. */
const READ_SAMPLES = 4_096;
/** Samples after which it is written how far a rule on values has read. */
const SAVE_SAMPLES = 10_000;
/** Name under which listeners hear of alerts. */
export const ALERT_TOPIC = "alerts";

/** What alerts stand on. */
export interface AlertsParts {
  readonly store: Store;
  readonly engine: Engine;
  readonly log: Log;
  readonly clock: Clock;
  readonly send: SendWebhook;
  readonly isPrivateAllowed: boolean;
}

/** Which alerts are asked for. */
export interface AlertQuestion {
  readonly state?: "open" | "closed" | undefined;
  /** Noticed or changed at this time or later. */
  readonly sinceNs?: bigint | undefined;
  readonly stream?: string | undefined;
  readonly rule?: string | undefined;
  readonly limit: number;
}

type ValueRule = AlertRule & { readonly condition: ValueCondition };

function isValueRule(rule: AlertRule): rule is ValueRule {
  return rule.condition.kind === "value";
}

/** Rules, and what becomes of what they find: alerts, listeners, webhooks. */
export class Alerts {
  readonly events = new EventHub();
  readonly #parts: AlertsParts;
  readonly #book: AlertBook;
  readonly #rules: Rules;
  readonly #peers = new PeerTable();
  readonly #levels: Levels;
  readonly #dispatcher: Dispatcher;
  readonly #counts: DraftCounts = { silenced: 0, dropped: 0 };
  /** Rules on values by stream, where they have been looked up. */
  readonly #valueRules = new Map<string, readonly ValueRule[]>();
  /** Kinds of the rules there are; null where that must be looked up. */
  #kinds: ReadonlySet<Condition["kind"]> | null = null;
  #applied: Applied[] = [];
  #appliedSamples = 0;
  #loading: Promise<void> | undefined;
  #isLoaded = false;
  /** Ends with the work that was asked for last. */
  #last: Promise<unknown> = Promise.resolve();
  #isWorkAsked = false;
  #timer: ReturnType<typeof setInterval> | undefined;
  #lookedMs = -Infinity;
  #looking: Promise<void> | null = null;
  #isClosing = false;

  constructor(parts: AlertsParts) {
    this.#parts = parts;
    const { store, engine, clock, send, isPrivateAllowed } = parts;
    this.#book = new AlertBook(store);
    this.#rules = new Rules({ store, book: this.#book, isPrivateAllowed });
    this.#levels = new Levels({ store, engine, clock, peers: this.#peers });
    this.#dispatcher = new Dispatcher({
      ...{ send, clock },
      draw: Math.random,
      ruleOf: (id) => this.#book.rule(id),
      waiting: () => this.#book.waiting,
      keep: (delivery) => this.#exclusive(() => this.#write({ deliveries: [delivery] })),
    });
    engine.onApplied((applied) => this.#hear(applied));
  }

  /** Reads what was kept and begins to look; what was left undone is done first. */
  async start(): Promise<void> {
    await this.#exclusive(() => Promise.resolve());
    this.#timer = setInterval(() => this.#tick(), ALERT_TICK_MS);
    this.#tick();
  }

  #tick(): void {
    this.#soon();
    const nowMs = this.#parts.clock.monotonicMs();
    if (nowMs - this.#lookedMs < ALERT_LOOK_MS || this.#looking !== null) return;
    this.#lookedMs = nowMs;
    this.#looking = this.look().catch((error) => this.#warn(error))
      .finally(() => this.#looking = null);
  }

  /** Runs one piece of work at a time, after what was kept is read. */
  #exclusive<T>(work: () => Promise<T>): Promise<T> {
    const run = async () => {
      this.#loading ??= this.#book.load();
      await this.#loading.catch((error) => {
        this.#loading = undefined;
        throw error;
      });
      this.#isLoaded = true;
      return await work();
    };
    const result = this.#last.then(run, run);
    this.#last = result.catch(() => {});
    return result;
  }

  #warn(error: unknown): void {
    if (this.#isClosing) return;
    this.#parts.log.warning("Alerts wait: {error}", { error: String(error) });
  }

  async #write(change: BookChange): Promise<void> {
    const changed = await this.#book.write(change, this.#parts.clock.nowNs());
    for (const alert of changed) {
      this.events.publish(ALERT_TOPIC, { kind: "alert", data: { ...alertShape(alert) } });
    }
    if (!this.#isClosing) this.#dispatcher.dispatch();
  }

  #draft(): AlertDraft {
    return new AlertDraft(this.#book, this.#parts.clock.nowNs());
  }

  #count({ counts }: AlertDraft): void {
    this.#counts.silenced += counts.silenced;
    this.#counts.dropped += counts.dropped;
  }

  #hear(applied: Applied): void {
    if (this.#isLoaded) {
      const kinds = this.#kinds ??= new Set(
        [...this.#book.rules].map(({ condition }) => condition.kind),
      );
      if (kinds.has("peers")) this.#peers.add(applied);
      const samples = applied.segment.timestampsNs.length;
      if (kinds.has("value") && this.#appliedSamples + samples <= ALERT_QUEUE_SAMPLES_MAX) {
        this.#applied.push(applied);
        this.#appliedSamples += samples;
        this.#soon();
      }
    }
    if (applied.alarms.length + applied.ended.length > 0) this.#soon();
  }

  /** Asks for the work that waits, once. */
  #soon(): void {
    if (this.#isWorkAsked || this.#isClosing) return;
    this.#isWorkAsked = true;
    this.work().catch((error) => this.#warn(error));
  }

  /** Does what waits: the feed of flags, the samples for rules on values, messages that are due. */
  work(): Promise<void> {
    return this.#exclusive(async () => {
      this.#isWorkAsked = false;
      await this.#readFeed();
      await this.#readApplied();
      this.#dispatcher.dispatch();
    });
  }

  /** Looks at all streams for the rules on what is, and at logs that rules on values are behind. */
  async look(): Promise<void> {
    await this.#exclusive(() => Promise.resolve());
    const rules = [...this.#book.rules].filter(({ isEnabled }) => isEnabled);
    if (rules.length === 0) return;
    const levels = await this.#levels.look(rules);
    await this.#exclusive(() => this.#takeLevels(levels));
    if (!rules.some(isValueRule)) return;
    for await (const page of allStreams(this.#parts.store)) {
      for (const { id, inOrderCount } of page) {
        await this.#exclusive(() => this.#catchUp(id, { logEnd: inOrderCount, applied: null }));
      }
    }
    await this.#exclusive(() => this.#saveWatches(SAVE_SAMPLES));
  }

  async #takeLevels(levels: readonly Level[]): Promise<void> {
    const draft = this.#draft();
    for (const { rule, streamId, finding, timeNs } of levels) {
      // A rule that was changed meanwhile is looked at anew.
      if (this.#book.rule(rule.id) !== rule) continue;
      if (finding === null) draft.rest(rule, streamId, timeNs);
      else draft.raise({ rule, streamId, finding, isBegin: false });
    }
    this.#count(draft);
    if (draft.alerts.length > 0) await this.#write({ alerts: draft.alerts });
  }

  async #readFeed(): Promise<void> {
    for (;;) {
      const feed = await this.#parts.store.readFeed(0, PAGE_MAX);
      const last = feed.at(-1);
      if (last === undefined) return;
      const draft = this.#draft();
      for (const entry of inTimeOrder(feed)) await this.#takeEntry(draft, entry);
      this.#count(draft);
      await this.#write({ alerts: draft.alerts, feedSettled: last.sequence });
      if (feed.length < PAGE_MAX) return;
    }
  }

  async #takeEntry(draft: AlertDraft, entry: FeedEntry): Promise<void> {
    const { streamId } = "opened" in entry ? entry.opened : entry.ended;
    const record = await this.#parts.store.getStream(streamId);
    for (const rule of this.#book.rules) {
      const { condition } = rule;
      if (condition.kind !== "anomaly" || !rule.isEnabled) continue;
      if (record === null || !isChosen(rule.streams, record)) continue;
      if ("opened" in entry) {
        const finding = anomalyFinding(condition, entry.opened);
        if (finding !== null) draft.raise({ rule, streamId, finding, isBegin: true });
        continue;
      }
      const newest = draft.newest(rule.id, streamId);
      const isTold = newest?.number === entry.ended.number && newest.state === "open";
      const late = isTold ? null : endFinding(condition, entry.ended);
      // One that was told and closed by a person, or counted with another, is not told again.
      const isKnown = newest !== undefined && newest.openedNs >= entry.ended.openedNs - 1_000n;
      if (late !== null && !isKnown && newest?.state !== "open") {
        draft.raise({ rule, streamId, finding: late, isBegin: true });
      }
      if (entry.ended.isOpen === true) draft.reviseFlag(rule, entry.ended);
      else draft.endFlag(rule, entry.ended);
    }
  }

  async #readApplied(): Promise<void> {
    const waiting = this.#applied;
    this.#applied = [];
    this.#appliedSamples = 0;
    for (const applied of waiting) {
      await this.#catchUp(applied.segment.streamId, { logEnd: applied.start, applied });
    }
  }

  async #rulesOnValues(streamId: string): Promise<readonly ValueRule[]> {
    const known = this.#valueRules.get(streamId);
    if (known !== undefined) return known;
    const record = await this.#parts.store.getStream(streamId);
    if (record === null) return [];
    const rules = [...this.#book.rules].filter(isValueRule)
      .filter((rule) => rule.isEnabled && isChosen(rule.streams, record));
    if (this.#valueRules.size >= ALERT_QUEUE_SAMPLES_MAX) this.#valueRules.clear();
    this.#valueRules.set(streamId, rules);
    return rules;
  }

  /** Reads a stream for its rules on values: the log up to what was just absorbed, and that. */
  async #catchUp(
    streamId: string,
    { logEnd, applied }: { readonly logEnd: number; readonly applied: Applied | null },
  ): Promise<void> {
    for (const rule of await this.#rulesOnValues(streamId)) {
      const draft = this.#draft();
      const known = this.#book.watch(rule.id, streamId);
      let watch = known ?? await this.#newWatch(rule, streamId);
      if (watch === null) return;
      if (logEnd > watch.offset) watch = await this.#readLog(draft, rule, watch, logEnd);
      if (applied !== null) {
        const { segment, start } = applied;
        watch = watchValues(draft, rule, watch, { segment, start, predicted: applied });
      }
      this.#count(draft);
      const isWritten = draft.alerts.length > 0 || known === undefined;
      if (isWritten) await this.#write({ alerts: draft.alerts, watches: [watch] });
      else this.#book.advance(watch);
    }
  }

  /** A stream that is younger than the rule is read from its beginning. */
  async #newWatch(rule: ValueRule, streamId: string): Promise<Watch | null> {
    const record: StreamRecord | null = await this.#parts.store.getStream(streamId);
    if (record === null) return null;
    const offset = record.createdNs >= rule.createdNs ? 0 : record.inOrderCount;
    return { ruleId: rule.id, streamId, offset, run: 0 };
  }

  async #readLog(
    draft: AlertDraft,
    rule: ValueRule,
    from: Watch,
    end: number,
  ): Promise<Watch> {
    let watch = from;
    const record = await this.#parts.store.getStream(from.streamId);
    const ranges = record?.settings.channels ?? {};
    for (;;) {
      const start = watch.offset;
      const limit = Math.min(READ_SAMPLES, end - start);
      if (limit <= 0) return watch;
      const read = await this.#parts.store.readInOrder(watch.streamId, start, limit);
      if (read === null) return watch;
      const segment = withoutMissing(read, ranges);
      watch = watchValues(draft, rule, watch, { segment, start, predicted: null });
    }
  }

  async #saveWatches(samples: number): Promise<void> {
    const watches = this.#book.unsaved(samples);
    if (watches.length > 0) await this.#write({ watches });
  }

  /** @throws {InvalidValueError | LimitError} a member out of range, or too many rules */
  createRule(given: RuleInput): Promise<RuleShape> {
    const id = crypto.randomUUID().replaceAll("-", "").slice(0, 16);
    return this.#changeRule(id, () => this.#rules.create(id, given, this.#parts.clock.nowNs()));
  }

  /** @throws {NotFoundError | InvalidValueError | LimitError} no such rule, or a bad member */
  updateRule(id: string, given: RuleInput): Promise<RuleShape> {
    return this.#changeRule(id, () => this.#rules.update(id, given, this.#parts.clock.nowNs()));
  }

  #changeRule(id: string, change: () => Promise<BookChange>): Promise<RuleShape> {
    return this.#exclusive(async () => {
      await this.#write(await change());
      this.#forgetMatches();
      return ruleShape(this.#rules.get(id));
    });
  }

  /** @throws {NotFoundError} no such rule */
  deleteRule(id: string): Promise<void> {
    return this.#exclusive(async () => {
      await this.#write(this.#rules.remove(id, this.#parts.clock.nowNs()));
      this.#forgetMatches();
    });
  }

  #forgetMatches(): void {
    this.#kinds = null;
    this.#valueRules.clear();
    this.#levels.reset();
  }

  listRules(): Promise<RuleShape[]> {
    return this.#exclusive(() => Promise.resolve([...this.#book.rules].map(ruleShape)));
  }

  /** @throws {NotFoundError} no such rule */
  getRule(id: string): Promise<RuleShape> {
    return this.#exclusive(() => Promise.resolve(ruleShape(this.#rules.get(id))));
  }

  /** Alerts, the newest first. */
  list({ state, sinceNs, stream, rule, limit }: AlertQuestion): Promise<AlertShape[]> {
    const isAsked = (alert: Alert) =>
      alert.state === (state ?? alert.state) && alert.streamId === (stream ?? alert.streamId) &&
      alert.ruleId === (rule ?? alert.ruleId) &&
      (alert.closedNs ?? alert.acknowledgedNs ?? alert.noticedNs) >= (sinceNs ?? alert.noticedNs);
    return this.#exclusive(() =>
      Promise.resolve(this.#book.alerts.filter(isAsked).slice(0, limit).map(alertShape))
    );
  }

  #alert(id: string): Alert {
    const alert = this.#book.alert(id);
    if (alert === undefined) throw new NotFoundError("alert", id);
    return alert;
  }

  /** @throws {NotFoundError} no such alert */
  get(id: string): Promise<AlertShape> {
    // deno-lint-ignore require-await
    return this.#exclusive(async () => alertShape(this.#alert(id)));
  }

  /** What was sent of an alert, oldest first. @throws {NotFoundError} no such alert */
  deliveries(id: string): Promise<DeliveryShape[]> {
    // deno-lint-ignore require-await
    return this.#exclusive(async () =>
      this.#book.deliveries(this.#alert(id).id).map(deliveryShape)
    );
  }

  /**
   * Says that a person has seen an alert; a second time changes nothing.
   *
   * @throws {NotFoundError | ConflictError} no such alert, or one that is closed
   */
  acknowledge(id: string): Promise<AlertShape> {
    return this.#exclusive(async () => {
      const alert = this.#alert(id);
      if (alert.state === "closed") throw new ConflictError(`Alert "${id}" is closed`);
      const draft = this.#draft();
      draft.acknowledge(alert);
      if (draft.alerts.length > 0) await this.#write({ alerts: draft.alerts });
      return alertShape(this.#alert(id));
    });
  }

  /**
   * Closes an alert; a second time changes nothing. Where its condition still holds, the rule opens
   * no other one before that has changed.
   *
   * @throws {NotFoundError} no such alert
   */
  resolve(id: string): Promise<AlertShape> {
    return this.#exclusive(async () => {
      const draft = this.#draft();
      draft.close(this.#alert(id), "person");
      if (draft.alerts.length > 0) await this.#write({ alerts: draft.alerts });
      return alertShape(this.#alert(id));
    });
  }

  /** A stream's labels may have changed. */
  streamChanged(id: string): void {
    this.#valueRules.delete(id);
  }

  /** A stream was deleted: what is open of it ends. */
  streamDeleted(id: string): Promise<void> {
    this.#valueRules.delete(id);
    this.#peers.forget(id);
    this.#levels.forget(id);
    return this.#exclusive(async () => {
      const draft = this.#draft();
      for (const alert of this.#book.alerts) {
        if (alert.streamId === id) draft.close(alert, "stream");
      }
      const removedWatches = this.#book.watchesOf({ streamId: id });
      if (draft.alerts.length + removedWatches.length === 0) return;
      await this.#write({ alerts: draft.alerts, removedWatches });
    });
  }

  /** Counters for `/metrics`. */
  stats(): Readonly<Record<string, number>> {
    const { ruleCount: rules, openCount: open, waitingCount: deliveriesWaiting } = this.#book;
    return { rules, open, deliveriesWaiting, ...this.#counts };
  }

  /** Resolves when nothing is being worked on or sent. */
  async settled(): Promise<void> {
    await this.#last;
    await this.#dispatcher.settled();
    await this.#last;
  }

  /** Takes no more, and ends the listeners. */
  beginShutdown(): void {
    this.events.close();
    clearInterval(this.#timer);
  }

  /** Writes how far it is. A message that is being sent is sent again after the next start. */
  async close(): Promise<void> {
    this.beginShutdown();
    await this.#looking;
    if (this.#isLoaded) await this.#exclusive(() => this.#saveWatches(1)).catch(() => {});
    this.#isClosing = true;
    await this.#last;
  }
}
