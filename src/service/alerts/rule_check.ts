import { InvalidValueError, LimitError } from "../../base/errors.ts";
import { REASONS } from "../../detectors/detector.ts";
import { formatTimestamp } from "../../signal/timestamp.ts";
import {
  type AlertRule,
  type Bounds,
  type Condition,
  type Maintenance,
  RULE_LIST_MAX,
  RULE_TEXT_MAX,
} from "./alert.ts";
import { isTimeZone } from "./maintenance.ts";
import { webhookKey } from "./webhook_signature.ts";
import { webhookUrl } from "./webhook_target.ts";

/** Longest look ahead, cool-down and age, in seconds: a year. */
export const RULE_SECONDS_MAX = 366 * 86_400;

/** Samples in a row, and periods without one, that a rule may ask for. */
export const RULE_COUNT_MAX = 100_000;

function checkNumber(
  field: string,
  value: number,
  { least, most }: { readonly least: number; readonly most: number },
): void {
  if (value >= least && value <= most) return;
  throw new InvalidValueError(field, value, `a number from ${least} to ${most}`);
}

function checkCount(field: string, value: number): void {
  if (Number.isInteger(value) && value >= 1 && value <= RULE_COUNT_MAX) return;
  throw new InvalidValueError(field, value, `an integer from 1 to ${RULE_COUNT_MAX}`);
}

function checkText(field: string, text: string): void {
  if (text.length <= RULE_TEXT_MAX) return;
  throw new InvalidValueError(field, text, `at most ${RULE_TEXT_MAX} characters`);
}

function checkList(field: string, list: readonly unknown[]): void {
  if (list.length <= RULE_LIST_MAX) return;
  throw new LimitError("RULE_LIST_MAX", RULE_LIST_MAX, list.length, field);
}

function checkBounds({ channel, above, below }: Bounds): void {
  if (channel !== null) checkText("condition.channel", channel);
  if (above === null && below === null) {
    throw new InvalidValueError("condition", "without bounds", "above, below or both");
  }
  for (const [name, bound] of [["above", above], ["below", below]] as const) {
    if (bound !== null && !Number.isFinite(bound)) {
      throw new InvalidValueError(`condition.${name}`, bound, "a finite number");
    }
  }
}

function checkCondition(condition: Condition): void {
  const positive = { least: 0, most: Number.MAX_VALUE };
  switch (condition.kind) {
    case "anomaly":
      checkNumber("condition.p", condition.pMax, { least: 0, most: 1 });
      checkNumber("condition.effect.units", condition.effectMin.units, positive);
      checkNumber("condition.effect.sigmas", condition.effectMin.sigmas, positive);
      for (const [index, reason] of condition.reasons.entries()) {
        if ((REASONS as readonly string[]).includes(reason)) continue;
        throw new InvalidValueError(`condition.reasons[${index}]`, reason, REASONS.join(", "));
      }
      return;
    case "value":
      checkBounds(condition);
      return checkCount("condition.samples", condition.samples);
    case "forecast":
      checkBounds(condition);
      checkNumber("condition.quantile", condition.quantile, { least: 0.001, most: 0.999 });
      return checkNumber("condition.withinS", condition.withinS, {
        least: 1,
        most: RULE_SECONDS_MAX,
      });
    case "heartbeat": {
      checkNumber("condition.periods", condition.periods, { least: 1, most: RULE_COUNT_MAX });
      const periodS = condition.periodS ?? 1;
      return checkNumber("condition.periodS", periodS, { least: 1e-3, most: RULE_SECONDS_MAX });
    }
    case "coverage":
      checkNumber("condition.level", condition.level, { least: 0.01, most: 0.999 });
      checkNumber("condition.tolerance", condition.tolerance, { least: 0.001, most: 1 });
      return checkCount("condition.countMin", condition.countMin);
    case "peers":
      return checkNumber("condition.sigmas", condition.sigmas, { least: 2, most: 1_000 });
    default:
      return condition satisfies never;
  }
}

function checkMaintenance(window: Maintenance, field: string): void {
  if (window.kind === "once") {
    if (window.fromNs < window.toNs) return;
    const to = formatTimestamp(window.toNs);
    throw new InvalidValueError(`${field}.to`, to, "a time after `from`");
  }
  if (!isTimeZone(window.timeZone)) {
    throw new InvalidValueError(`${field}.timeZone`, window.timeZone, 'a zone as "Europe/Berlin"');
  }
}

/**
 * Holds a rule to what rules may be.
 *
 * @throws {InvalidValueError | LimitError} a member out of range; the field names it
 */
export function checkRule(rule: AlertRule): void {
  const { name, streams, condition, coolDownS, maxAgeS, maintenance, webhook } = rule;
  checkText("name", name);
  checkList("streams.ids", streams.ids);
  checkText("streams.prefix", streams.prefix);
  checkList("streams.labels", Object.keys(streams.labels));
  for (const [key, text] of Object.entries(streams.labels)) {
    checkText("streams.labels", key);
    checkText(`streams.labels.${key}`, text);
  }
  checkCondition(condition);
  checkNumber("coolDownS", coolDownS, { least: 0, most: RULE_SECONDS_MAX });
  checkNumber("maxAgeS", maxAgeS ?? 1, { least: 1, most: Number.MAX_SAFE_INTEGER });
  checkList("maintenance", maintenance);
  for (const [index, window] of maintenance.entries()) {
    checkMaintenance(window, `maintenance[${index}]`);
  }
  if (webhook === null) return;
  webhookUrl(webhook.url);
  webhookKey(webhook.secret);
}
