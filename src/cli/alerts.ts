/** `alerts`: what is open in a running service, and the rules behind it. */
import type { AlertShape, RuleShape } from "../service/alerts/alert_shapes.ts";
import { PORT_DEFAULT } from "../service/config.ts";
import { type Command, EXIT_FAILED, EXIT_OK, UsageError } from "./command.ts";
import { readService } from "./models.ts";
import { formatTable } from "./table.ts";

/** Alerts that are listed. */
const LISTED = 100;

function alertTable(alerts: readonly AlertShape[], state: string): string {
  if (alerts.length === 0) return state === "all" ? "No alert." : `No alert is ${state}.`;
  const rows = alerts.map(({ id, stream, severity, state, openedAt, events, summary }) => [
    id,
    stream,
    severity,
    state,
    openedAt,
    String(events),
    summary,
  ]);
  const header = ["alert", "stream", "severity", "state", "opened", "events", "what"];
  return formatTable(header, rows);
}

function ruleTable(rules: readonly RuleShape[]): string {
  if (rules.length === 0) return "No rule.";
  const rows = rules.map(({ id, name, enabled, severity, condition, webhook }) => [
    id,
    name,
    enabled ? "on" : "off",
    severity,
    condition.kind,
    webhook?.url ?? "-",
  ]);
  return formatTable(["rule", "name", "state", "severity", "condition", "webhook"], rows);
}

/** The verb. */
export const alertsCommand: Command = {
  name: "alerts",
  summary: "List the alerts and alert rules of a running service",
  usage: "[--url URL] [--state open|closed|all] [--rules]",
  description: `Lists the newest ${LISTED}. DRIFTLINE_TOKEN is sent as the bearer token.`,
  options: {
    url: {
      type: "string",
      value: "URL",
      help: `The service (default http://127.0.0.1:${PORT_DEFAULT})`,
    },
    state: { type: "string", value: "STATE", help: "open (default), closed, or all" },
    rules: { type: "boolean", help: "List the rules, too" },
  },
  async run(input, output) {
    const origin = input.text("url") ?? `http://127.0.0.1:${PORT_DEFAULT}`;
    if (!URL.canParse(origin)) throw new UsageError(`--url is "${origin}", expected a URL`);
    const state = input.text("state") ?? "open";
    if (!["open", "closed", "all"].includes(state)) {
      throw new UsageError(`--state is "${state}", expected open, closed or all`);
    }
    const asked = state === "all" ? "" : `&state=${state}`;
    try {
      const path = `/v1/alerts?limit=${LISTED}${asked}`;
      const { alerts } = await readService<{ alerts: AlertShape[] }>(origin, path);
      const { rules } = input.isSet("rules")
        ? await readService<{ rules: RuleShape[] }>(origin, "/v1/alerts/rules")
        : { rules: null };
      if (input.isSet("json")) {
        output.print(JSON.stringify({ alerts, ...(rules === null ? {} : { rules }) }));
      } else {
        const tables = [alertTable(alerts, state), ...rules === null ? [] : [ruleTable(rules)]];
        output.print(tables.join("\n\n"));
      }
      return EXIT_OK;
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      output.note(`${origin} does not tell its alerts: ${reason}`);
      return EXIT_FAILED;
    }
  },
};
