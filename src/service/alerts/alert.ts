/** What alerts are made of: rules, alerts, deliveries, and the limits on all of them. */

/** Alert rules of one service. */
export const ALERT_RULES_MAX = 1_000;
/** Alerts that may be open at a time; beyond, what would open one is counted and dropped. */
export const OPEN_ALERTS_MAX = 10_000;
/** Closed alerts that are kept; the oldest go first. */
export const CLOSED_ALERTS_MAX = 10_000;
/** Names of streams, of labels, of reasons and windows of maintenance that a rule may have. */
export const RULE_LIST_MAX = 100;
/** Characters of a text of a rule. */
export const RULE_TEXT_MAX = 256;

/** How much an alert matters to people. */
export const SEVERITIES = ["info", "warning", "critical"] as const;

/** One of {@linkcode SEVERITIES}. */
export type Severity = typeof SEVERITIES[number];

/** Least size of a surprise; both must hold where both are given. */
export interface EffectMin {
  /** Distance from what was expected, in the units of the channel. */
  readonly units: number;
  /** The same in standard deviations of the prediction. */
  readonly sigmas: number;
}

/** An anomaly flag of the detector. */
export interface AnomalyCondition {
  readonly kind: "anomaly";
  /** Only flags at least this rare; 1 = any. */
  readonly pMax: number;
  /** Only these reasons; none = any. */
  readonly reasons: readonly string[];
  readonly effectMin: EffectMin;
}

/** A bound on a value; null = none. At least one is given. */
export interface Bounds {
  /** Only this channel; null = any. */
  readonly channel: string | null;
  readonly above: number | null;
  readonly below: number | null;
}

/** A measured value beyond a bound. */
export interface ValueCondition extends Bounds {
  readonly kind: "value";
  /** In so many samples in a row. */
  readonly samples: number;
}

/** A quantile of the forecast beyond a bound. */
export interface ForecastCondition extends Bounds {
  readonly kind: "forecast";
  readonly quantile: number;
  /** At any time so many seconds ahead. */
  readonly withinS: number;
}

/** No sample for some time. */
export interface HeartbeatCondition {
  readonly kind: "heartbeat";
  /** So many sampling periods. */
  readonly periods: number;
  /** Length of a period in seconds; null = the typical step of the last samples. */
  readonly periodS: number | null;
}

/** The share of values inside their intervals is not what the intervals say. */
export interface CoverageCondition {
  readonly kind: "coverage";
  /** Level of the intervals, as 0.8. */
  readonly level: number;
  /** Largest difference that is no alert. */
  readonly tolerance: number;
  /** Predictions that must have been counted. */
  readonly countMin: number;
}

/** The innovations of a stream differ from those of its peers: the streams of the rule. */
export interface PeersCondition {
  readonly kind: "peers";
  /** Distance from the median of the group, in robust standard deviations of the group. */
  readonly sigmas: number;
}

/** When a rule alerts. */
export type Condition =
  | AnomalyCondition
  | ValueCondition
  | ForecastCondition
  | HeartbeatCondition
  | CoverageCondition
  | PeersCondition;

/** The streams of a rule: those that meet all that is given; nothing given = all. */
export interface StreamChoice {
  readonly ids: readonly string[];
  readonly prefix: string;
  readonly labels: Readonly<Record<string, string>>;
}

/** A time in which a rule opens no alert: once, or every day or week. */
export type Maintenance =
  | { readonly kind: "once"; readonly fromNs: bigint; readonly toNs: bigint }
  | {
    readonly kind: "recurring";
    /** Days on which it begins, 0 = Sunday; none = every day. */
    readonly weekdays: readonly number[];
    /** Minutes after midnight; an end before the begin is on the next day. */
    readonly fromMinute: number;
    readonly toMinute: number;
    readonly timeZone: string;
  };

/** Where a rule's alerts are sent. */
export interface Webhook {
  readonly url: string;
  /** `whsec_` and the key in base64; never shown. */
  readonly secret: string;
}

/** What alerts, of which streams, and who is told. */
export interface AlertRule {
  readonly id: string;
  readonly name: string;
  readonly isEnabled: boolean;
  readonly severity: Severity;
  readonly streams: StreamChoice;
  readonly condition: Condition;
  /** Seconds after an alert's end in which what recurs is counted with it. */
  readonly coolDownS: number;
  /** Samples older than this many seconds alert nobody; null = none is too old. */
  readonly maxAgeS: number | null;
  readonly maintenance: readonly Maintenance[];
  readonly webhook: Webhook | null;
  readonly createdNs: bigint;
  readonly updatedNs: bigint;
}

/** Who or what closed an alert. */
export type ClosedBy = "itself" | "person" | "rule" | "stream";

/** What a rule found; an alert keeps it. */
export interface Finding {
  /** Time of the sample, or of the look. */
  readonly timeNs: bigint;
  /** One sentence for people. */
  readonly summary: string;
  readonly reason: string;
  /** Chance a sample that a clean stream is flagged so; null where that is not known. */
  readonly p: number | null;
  readonly score: number | null;
  readonly channels: readonly string[];
  readonly value: readonly (number | null)[];
  readonly expected: readonly (number | null)[];
  readonly scale: readonly (number | null)[];
  /** Number of the flag among those of the stream. */
  readonly number: number | null;
}

/** One event, told once: opened, perhaps acknowledged, closed. */
export interface Alert extends Omit<Finding, "timeNs"> {
  readonly id: string;
  readonly ruleId: string;
  readonly ruleName: string;
  readonly severity: Severity;
  readonly streamId: string;
  readonly kind: Condition["kind"];
  readonly state: "open" | "closed";
  /** Times of samples. */
  readonly openedNs: bigint;
  readonly peakNs: bigint;
  readonly endedNs: bigint | null;
  /** Times of the clock. */
  readonly noticedNs: bigint;
  readonly acknowledgedNs: bigint | null;
  readonly closedNs: bigint | null;
  readonly closedBy: ClosedBy | null;
  /** Events counted with this one, itself included. */
  readonly eventCount: number;
  /** A person closed it while its condition held: it must rest before another one opens. */
  readonly isHeld: boolean;
}

/** How far a rule on values has read a stream's log. */
export interface Watch {
  readonly ruleId: string;
  readonly streamId: string;
  /** In-order samples read. */
  readonly offset: number;
  /** Samples beyond the bound in a row. */
  readonly run: number;
}

/** What a delivery tells of an alert. */
export const DELIVERY_TYPES = ["alert.opened", "alert.acknowledged", "alert.closed"] as const;

/** One of {@linkcode DELIVERY_TYPES}. */
export type DeliveryType = typeof DELIVERY_TYPES[number];

/** One try to deliver. */
export interface Attempt {
  readonly atNs: bigint;
  readonly elapsedMs: number;
  /** HTTP status; null where there was no answer. */
  readonly status: number | null;
  readonly error: string | null;
}

/** A message to a webhook, and what became of it. */
export interface Delivery {
  /** The `webhook-id`: the same in every attempt. */
  readonly id: string;
  readonly alertId: string;
  readonly ruleId: string;
  readonly type: DeliveryType;
  readonly state: "waiting" | "delivered" | "failed";
  readonly createdNs: bigint;
  /** When the next attempt is due. */
  readonly dueNs: bigint;
  readonly attempts: readonly Attempt[];
  readonly body: string;
}
