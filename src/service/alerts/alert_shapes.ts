import { formatTimestamp } from "../../signal/timestamp.ts";
import { timeShape } from "../shapes.ts";
import type { Alert, AlertRule, Condition, Delivery, Maintenance, Severity } from "./alert.ts";

/** An alert as it is answered and sent. */
export interface AlertShape {
  id: string;
  rule: { id: string; name: string };
  severity: string;
  stream: string;
  kind: string;
  state: "open" | "closed";
  acknowledged: boolean;
  summary: string;
  reason: string;
  p: number | null;
  score: number | null;
  channels: string[];
  values: (number | null)[];
  expected: (number | null)[];
  scale: (number | null)[];
  flag: number | null;
  events: number;
  openedAt: string;
  peakAt: string;
  endedAt: string | null;
  noticedAt: string;
  acknowledgedAt: string | null;
  closedAt: string | null;
  closedBy: string | null;
  updatedAt: string;
}

/** A window of maintenance as it is answered. */
export type MaintenanceShape =
  | { from: string; to: string }
  | { weekdays: string[]; from: string; to: string; timeZone: string };

/** A condition as it is answered. */
export interface ConditionShape {
  kind: string;
  [member: string]: string | number | null | string[] | Record<string, number>;
}

/** A rule as it is answered; a secret is only said to be there. */
export interface RuleShape {
  id: string;
  name: string;
  enabled: boolean;
  severity: Severity;
  streams: { ids: string[]; prefix: string; labels: Record<string, string> };
  condition: ConditionShape;
  coolDownS: number;
  maxAgeS: number | null;
  maintenance: MaintenanceShape[];
  webhook: { url: string; hasSecret: true } | null;
  createdAt: string;
  updatedAt: string;
}

/** A message as it is answered. */
export interface DeliveryShape {
  id: string;
  type: string;
  state: Delivery["state"];
  createdAt: string;
  nextAttemptAt: string | null;
  attempts: { at: string; elapsedMs: number; status: number | null; error: string | null }[];
}

/** Names of the days, Sunday first. */
export const WEEKDAYS = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"] as const;

/** An alert as it is answered. */
export function alertShape(alert: Alert): AlertShape {
  const { noticedNs, acknowledgedNs, closedNs } = alert;
  return {
    id: alert.id,
    rule: { id: alert.ruleId, name: alert.ruleName },
    severity: alert.severity,
    stream: alert.streamId,
    kind: alert.kind,
    state: alert.state,
    acknowledged: acknowledgedNs !== null,
    summary: alert.summary,
    reason: alert.reason,
    p: alert.p,
    score: alert.score,
    channels: [...alert.channels],
    values: [...alert.value],
    expected: [...alert.expected],
    scale: [...alert.scale],
    flag: alert.number,
    events: alert.eventCount,
    openedAt: formatTimestamp(alert.openedNs),
    peakAt: formatTimestamp(alert.peakNs),
    endedAt: timeShape(alert.endedNs),
    noticedAt: formatTimestamp(noticedNs),
    acknowledgedAt: timeShape(acknowledgedNs),
    closedAt: timeShape(closedNs),
    closedBy: alert.closedBy,
    updatedAt: formatTimestamp(closedNs ?? acknowledgedNs ?? noticedNs),
  };
}

function clockText(minute: number): string {
  const two = (count: number) => String(count).padStart(2, "0");
  return `${two(Math.floor(minute / 60))}:${two(minute % 60)}`;
}

function maintenanceShape(window: Maintenance): MaintenanceShape {
  if (window.kind === "once") {
    return { from: formatTimestamp(window.fromNs), to: formatTimestamp(window.toNs) };
  }
  return {
    weekdays: window.weekdays.map((day) => WEEKDAYS[day]!),
    from: clockText(window.fromMinute),
    to: clockText(window.toMinute),
    timeZone: window.timeZone,
  };
}

function conditionShape(condition: Condition): ConditionShape {
  if (condition.kind !== "anomaly") return { ...condition };
  const { kind, pMax, reasons, effectMin } = condition;
  return { kind, p: pMax, reasons: [...reasons], effect: { ...effectMin } };
}

/** A rule as it is answered. */
export function ruleShape(rule: AlertRule): RuleShape {
  const { streams, webhook } = rule;
  return {
    id: rule.id,
    name: rule.name,
    enabled: rule.isEnabled,
    severity: rule.severity,
    streams: { ids: [...streams.ids], prefix: streams.prefix, labels: { ...streams.labels } },
    condition: conditionShape(rule.condition),
    coolDownS: rule.coolDownS,
    maxAgeS: rule.maxAgeS,
    maintenance: rule.maintenance.map(maintenanceShape),
    webhook: webhook === null ? null : { url: webhook.url, hasSecret: true },
    createdAt: formatTimestamp(rule.createdNs),
    updatedAt: formatTimestamp(rule.updatedNs),
  };
}

/** A message as it is answered. */
export function deliveryShape(delivery: Delivery): DeliveryShape {
  return {
    id: delivery.id,
    type: delivery.type,
    state: delivery.state,
    createdAt: formatTimestamp(delivery.createdNs),
    nextAttemptAt: delivery.state === "waiting" ? formatTimestamp(delivery.dueNs) : null,
    attempts: delivery.attempts.map(({ atNs, elapsedMs, status, error }) => ({
      at: formatTimestamp(atNs),
      elapsedMs,
      status,
      error,
    })),
  };
}
