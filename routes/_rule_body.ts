import { z } from "@hono/zod-openapi";
import { parseBy } from "../src/base/parse.ts";
import {
  type Condition,
  type Maintenance,
  SEVERITIES,
  type StreamChoice,
} from "../src/service/alerts/alert.ts";
import { WEEKDAYS } from "../src/service/alerts/alert_shapes.ts";
import type { RuleInput } from "../src/service/alerts/rules.ts";
import { parseTimestamp } from "../src/signal/timestamp.ts";
import { parseJson } from "./_body.ts";

/** What a rule may be asked with, and how it becomes the service's own. */

const bounds = {
  channel: z.string().nullable().optional()
    .openapi({ description: "Only this channel; default any" }),
  above: z.number().nullable().optional(),
  below: z.number().nullable().optional(),
};

const conditionSchema = z.discriminatedUnion("kind", [
  z.strictObject({
    kind: z.literal("anomaly"),
    p: z.number().optional()
      .openapi({
        description: "Only flags whose chance a clean sample is at most this; default 1",
      }),
    reasons: z.array(z.string()).optional().openapi({ description: "Only these; default any" }),
    effect: z.strictObject({ units: z.number().optional(), sigmas: z.number().optional() })
      .optional().openapi({ description: "Least distance from what was expected" }),
  }),
  z.strictObject({
    kind: z.literal("value"),
    ...bounds,
    samples: z.number().optional().openapi({ description: "In a row; default 1" }),
  }),
  z.strictObject({
    kind: z.literal("forecast"),
    ...bounds,
    quantile: z.number().optional().openapi({ description: "In (0, 1); default 0.5" }),
    withinS: z.number().openapi({ description: "Seconds ahead" }),
  }),
  z.strictObject({
    kind: z.literal("heartbeat"),
    periods: z.number().optional().openapi({ description: "Without a sample; default 10" }),
    periodS: z.number().nullable().optional()
      .openapi({ description: "Seconds; default the typical step of the stream" }),
  }),
  z.strictObject({
    kind: z.literal("coverage"),
    level: z.number().optional().openapi({ description: "0.8 (default) or 0.95" }),
    tolerance: z.number().optional().openapi({ description: "Default 0.1" }),
    countMin: z.number().optional()
      .openapi({ description: "Predictions that must have been counted; default 100" }),
  }),
  z.strictObject({
    kind: z.literal("peers"),
    sigmas: z.number().optional()
      .openapi({ description: "Distance from the group's median; default 6" }),
  }),
]).openapi("AlertCondition");

const clock = z.string().regex(/^([01]\d|2[0-3]):[0-5]\d$/, "a time as 22:30");
const instant = z.union([z.string(), z.int()]);

const maintenanceSchema = z.union([
  z.strictObject({
    weekdays: z.array(z.enum(WEEKDAYS)).optional()
      .openapi({ description: "Days on which it begins; default all" }),
    from: clock,
    to: clock.openapi({ description: "On the next day where it is not after `from`" }),
    timeZone: z.string().openapi({ example: "Europe/Berlin" }),
  }),
  z.strictObject({ from: instant, to: instant }),
]).openapi("Maintenance");

/** A rule as it is asked for; all but the condition may be left out. */
export const ruleBodySchema = z.strictObject({
  name: z.string().optional(),
  enabled: z.boolean().optional(),
  severity: z.enum(SEVERITIES).optional(),
  streams: z.strictObject({
    ids: z.array(z.string()).optional(),
    prefix: z.string().optional(),
    labels: z.record(z.string(), z.string()).optional(),
  }).optional().openapi({ description: "Those that meet all that is given; default all" }),
  condition: conditionSchema.optional(),
  coolDownS: z.number().optional()
    .openapi({ description: "Seconds after an alert in which what recurs is counted with it" }),
  maxAgeS: z.number().nullable().optional()
    .openapi({ description: "Older samples alert nobody; default a day, null = any age" }),
  maintenance: z.array(maintenanceSchema).optional(),
  webhook: z.strictObject({
    url: z.string(),
    secret: z.string().optional().openapi({ description: "whsec_ and 24 to 64 bytes in base64" }),
  }).nullable().optional(),
}).openapi("AlertRuleBody");

type RuleBody = z.infer<typeof ruleBodySchema>;

function conditionOf(given: NonNullable<RuleBody["condition"]>): Condition {
  switch (given.kind) {
    case "anomaly":
      return {
        kind: "anomaly",
        pMax: given.p ?? 1,
        reasons: given.reasons ?? [],
        effectMin: { units: given.effect?.units ?? 0, sigmas: given.effect?.sigmas ?? 0 },
      };
    case "value":
      return { kind: "value", ...boundsOf(given), samples: given.samples ?? 1 };
    case "forecast": {
      const { quantile = 0.5, withinS } = given;
      return { kind: "forecast", ...boundsOf(given), quantile, withinS };
    }
    case "heartbeat":
      return { kind: "heartbeat", periods: given.periods ?? 10, periodS: given.periodS ?? null };
    case "coverage": {
      const { level = 0.8, tolerance = 0.1, countMin = 100 } = given;
      return { kind: "coverage", level, tolerance, countMin };
    }
    case "peers":
      return { kind: "peers", sigmas: given.sigmas ?? 6 };
    default:
      return given satisfies never;
  }
}

function boundsOf(
  { channel, above, below }: {
    readonly channel?: string | null | undefined;
    readonly above?: number | null | undefined;
    readonly below?: number | null | undefined;
  },
) {
  return { channel: channel ?? null, above: above ?? null, below: below ?? null };
}

function choiceOf({ ids, prefix, labels }: NonNullable<RuleBody["streams"]>): StreamChoice {
  return { ids: ids ?? [], prefix: prefix ?? "", labels: labels ?? {} };
}

function minuteOf(text: string): number {
  return Number(text.slice(0, 2)) * 60 + Number(text.slice(3));
}

function maintenanceOf(given: z.infer<typeof maintenanceSchema>, index: number): Maintenance {
  if ("timeZone" in given) {
    return {
      kind: "recurring",
      weekdays: (given.weekdays ?? []).map((name) => WEEKDAYS.indexOf(name)),
      fromMinute: minuteOf(given.from),
      toMinute: minuteOf(given.to),
      timeZone: given.timeZone,
    };
  }
  const at = (name: "from" | "to") =>
    parseTimestamp(given[name], "ms", `maintenance[${index}].${name}`);
  return { kind: "once", fromNs: at("from"), toNs: at("to") };
}

/**
 * Reads a rule from a body.
 *
 * @throws {ProtocolError | InvalidValueError} no JSON, or a member that no rule has; the field
 *   names it
 */
export function parseRule(bytes: Uint8Array): RuleInput {
  const given = parseBy(ruleBodySchema, parseJson(bytes));
  const { enabled, streams, condition, maintenance, ...rest } = given;
  return {
    ...rest,
    isEnabled: enabled,
    streams: streams === undefined ? undefined : choiceOf(streams),
    condition: condition === undefined ? undefined : conditionOf(condition),
    maintenance: maintenance?.map(maintenanceOf),
  };
}
