import type { EngineStats } from "../streams/engine.ts";
import type { StoreStats } from "../stores/store.ts";
import type { JobState } from "./job_record.ts";

/** What the parts of a service count, by the part's name in the metrics. */
export interface ServiceCounts {
  readonly store: StoreStats;
  readonly engine: Omit<EngineStats, "coverage">;
  readonly alerts: Readonly<Record<string, number>>;
  readonly heartbeats: Readonly<Record<string, number>>;
  readonly jobs: Readonly<Record<JobState, number>>;
}

/** Names of what only grows while the process lives; all others are gauges. */
const COUNTERS = new Set([
  ...["store_transactions", "store_appends", "engine_absorbed_samples"],
  ...["engine_loaded_states", "alerts_silenced", "alerts_dropped"],
]);

const HELP: Readonly<Record<string, string>> = {
  store_streams: "Streams in the store",
  store_samples: "Samples stored of all streams since the store was made",
  store_transactions: "Transactions since the start",
  store_appends: "Requests with samples since the start; several share a transaction",
  store_bytes: "Bytes of the store on disk",
  store_queued_bytes: "Bytes of samples that wait for their transaction",
  engine_workers: "Threads that hold states",
  engine_states: "States in memory",
  engine_state_bytes: "Memory of the states, by estimate; bounded by --state-memory",
  engine_queued_samples: "Samples handed to the states and not yet absorbed",
  engine_catch_up_samples: "Samples that the log held at the start and no state has absorbed yet",
  engine_absorbed_samples: "Samples absorbed since the start, replays included",
  engine_loaded_states: "States opened since the start, since they were not in memory",
  engine_failed_streams: "Streams whose state no longer advances",
  alerts_rules: "Alert rules",
  alerts_open: "Alerts that are open",
  alerts_deliveries_waiting: "Webhook messages that wait to be sent",
  alerts_silenced: "Events since the start of which nobody was told, by a rule's own settings",
  alerts_dropped: "Events since the start that were lost to rules, since too many came",
  heartbeats_watched: "Streams whose silence is looked at",
  heartbeats_silent: "Streams that are silent for longer than they used to be",
  heartbeats_unwatched: "Streams whose silence is not looked at, since there are too many",
  jobs_queued: "Jobs that wait",
  jobs_running: "Jobs under way",
  jobs_finished: "Jobs that are kept and have finished",
  jobs_canceled: "Jobs that are kept and were canceled",
  jobs_failed: "Jobs that are kept and have failed",
};

function head(name: string, type: "counter" | "gauge", help: string): string {
  return `# HELP driftline_${name} ${help}\n# TYPE driftline_${name} ${type}\n`;
}

/** Counts in Prometheus text format: `driftline_PART_NAME`, each with its type and meaning. */
export function countsText(counts: ServiceCounts): string {
  return Object.entries(counts).flatMap(([part, values]) =>
    Object.entries(values).map(([key, value]) => {
      const name = `${part}_${key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)}`;
      const type = COUNTERS.has(name) ? "counter" : "gauge";
      return `${head(name, type, HELP[name] ?? name)}driftline_${name} ${value}\n`;
    })
  ).join("");
}

/** How forecasts that were issued live came out, by the level of their intervals. */
export function coverageText(coverage: EngineStats["coverage"]): string {
  const lines = (
    name: string,
    help: string,
    of: (one: EngineStats["coverage"][number]) => number,
  ) =>
    head(name, "gauge", help) +
    coverage.map((one) => `driftline_${name}{level="${one.level}"} ${of(one)}\n`).join("");
  return lines(
    "interval_coverage",
    "Share of targets inside their live interval, over the states in memory",
    ({ value }) => value,
  ) +
    lines("interval_targets", "Targets that have come for those intervals", ({ count }) => count) +
    lines(
      "interval_relative_width",
      "Width of the newest intervals in standard deviations of their stream's values",
      ({ relativeWidth }) => relativeWidth,
    );
}
