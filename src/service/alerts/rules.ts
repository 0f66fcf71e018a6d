import { InvalidValueError, LimitError, NotFoundError } from "../../base/errors.ts";
import { PAGE_MAX, type Store, type StreamRecord } from "../../stores/store.ts";
import {
  ALERT_RULES_MAX,
  type AlertRule,
  type Condition,
  type Maintenance,
  type Severity,
  type StreamChoice,
  type Watch,
} from "./alert.ts";
import type { AlertBook, BookChange } from "./alert_book.ts";
import { AlertDraft } from "./alert_draft.ts";
import { checkRule } from "./rule_check.ts";
import { isChosen } from "./stream_match.ts";
import { requirePublic, webhookUrl } from "./webhook_target.ts";

/** What may be given of a rule; a webhook without a secret keeps the one it has. */
export interface RuleInput {
  readonly name?: string | undefined;
  readonly isEnabled?: boolean | undefined;
  readonly severity?: Severity | undefined;
  readonly streams?: StreamChoice | undefined;
  readonly condition?: Condition | undefined;
  readonly coolDownS?: number | undefined;
  readonly maxAgeS?: number | null | undefined;
  readonly maintenance?: readonly Maintenance[] | undefined;
  readonly webhook?:
    | { readonly url: string; readonly secret?: string | undefined }
    | null
    | undefined;
}

/** Seconds after which a sample is too old to alert anybody, unless a rule says otherwise. */
export const MAX_AGE_S_DEFAULT = 86_400;

/** All streams, page by page. */
export async function* allStreams(store: Store): AsyncGenerator<StreamRecord[]> {
  for (let after = "";;) {
    const page = await store.listStreams({ after, limit: PAGE_MAX });
    if (page.length > 0) yield page;
    if (page.length < PAGE_MAX) return;
    after = page.at(-1)!.id;
  }
}

/** Makes a rule of what was given, over what there was. */
function layOver(before: AlertRule | null, given: RuleInput, nowNs: bigint, id: string): AlertRule {
  const condition = given.condition ?? before?.condition;
  if (condition === undefined) {
    throw new InvalidValueError("condition", undefined, "an object with a kind");
  }
  const { webhook } = given;
  const secret = webhook?.secret ?? before?.webhook?.secret;
  if (webhook && secret === undefined) {
    throw new InvalidValueError("webhook.secret", undefined, "whsec_ and 24 to 64 bytes in base64");
  }
  return {
    id,
    name: given.name ?? before?.name ?? "",
    isEnabled: given.isEnabled ?? before?.isEnabled ?? true,
    severity: given.severity ?? before?.severity ?? "warning",
    streams: given.streams ?? before?.streams ?? { ids: [], prefix: "", labels: {} },
    condition,
    coolDownS: given.coolDownS ?? before?.coolDownS ?? 0,
    maxAgeS: given.maxAgeS !== undefined
      ? given.maxAgeS
      : before === null
      ? MAX_AGE_S_DEFAULT
      : before.maxAgeS,
    maintenance: given.maintenance ?? before?.maintenance ?? [],
    webhook: webhook === undefined
      ? before?.webhook ?? null
      : webhook === null
      ? null
      : { url: webhook.url, secret: secret! },
    createdNs: before?.createdNs ?? nowNs,
    updatedNs: nowNs,
  };
}

/** What rules stand on. */
export interface RulesParts {
  readonly store: Store;
  readonly book: AlertBook;
  /** Whether webhooks may reach addresses that are not public. */
  readonly isPrivateAllowed: boolean;
}

/** Makes, changes and removes rules; each call makes out one change, which the caller writes. */
export class Rules {
  readonly #parts: RulesParts;

  constructor(parts: RulesParts) {
    this.#parts = parts;
  }

  /** @throws {NotFoundError} no such rule */
  get(id: string): AlertRule {
    const rule = this.#parts.book.rule(id);
    if (rule === undefined) throw new NotFoundError("alert rule", id);
    return rule;
  }

  /** @throws {InvalidValueError | LimitError} a member out of range, or too many rules */
  async create(id: string, given: RuleInput, nowNs: bigint): Promise<BookChange> {
    const { ruleCount } = this.#parts.book;
    if (ruleCount >= ALERT_RULES_MAX) {
      throw new LimitError("ALERT_RULES_MAX", ALERT_RULES_MAX, ruleCount + 1, "rules");
    }
    const rule = this.#checked(layOver(null, given, nowNs, id));
    return { rules: [rule], watches: await this.#watches(rule) };
  }

  /**
   * Changes what is named. Another condition or choice of streams begins anew: what is open ends.
   *
   * @throws {NotFoundError | InvalidValueError | LimitError} no such rule, or a bad member
   */
  async update(id: string, given: RuleInput, nowNs: bigint): Promise<BookChange> {
    const before = this.get(id);
    const rule = this.#checked(layOver(before, given, nowNs, id));
    const isSame = rule.condition === before.condition && rule.streams === before.streams &&
      rule.isEnabled === before.isEnabled;
    if (isSame) return { rules: [rule] };
    const alerts = this.#closeAll(before, nowNs);
    const watches = await this.#watches(rule);
    const kept = new Set(watches.map(({ streamId }) => streamId));
    const removedWatches = this.#parts.book.watchesOf({ ruleId: id })
      .filter(({ streamId }) => !kept.has(streamId));
    return { rules: [rule], alerts, watches, removedWatches };
  }

  /** @throws {NotFoundError} no such rule */
  remove(id: string, nowNs: bigint): BookChange {
    const alerts = this.#closeAll(this.get(id), nowNs);
    const removedWatches = this.#parts.book.watchesOf({ ruleId: id });
    return { removedRules: [id], alerts, removedWatches };
  }

  #checked(rule: AlertRule): AlertRule {
    checkRule(rule);
    if (rule.webhook !== null && !this.#parts.isPrivateAllowed) {
      requirePublic(webhookUrl(rule.webhook.url));
    }
    return rule;
  }

  #closeAll({ id }: AlertRule, nowNs: bigint) {
    const draft = new AlertDraft(this.#parts.book, nowNs);
    for (const alert of this.#parts.book.alerts) {
      if (alert.ruleId === id) draft.close(alert, "rule");
    }
    return draft.alerts;
  }

  /** A rule on values reads what comes after it, of the streams that are there already. */
  async #watches(rule: AlertRule): Promise<Watch[]> {
    if (rule.condition.kind !== "value") return [];
    const watches: Watch[] = [];
    for await (const page of allStreams(this.#parts.store)) {
      for (const record of page) {
        if (!isChosen(rule.streams, record)) continue;
        watches.push({
          ruleId: rule.id,
          streamId: record.id,
          offset: record.inOrderCount,
          run: 0,
        });
      }
    }
    return watches;
  }
}
