import {
  configure,
  dispose,
  getJsonLinesFormatter,
  getLogger,
  getStreamSink,
} from "@logtape/logtape";
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from "prom-client";

/** Media type of `GET /metrics`: the Prometheus text format. */
export const METRICS_MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8";

/** Upper bounds of the latency histogram, in seconds. */
const LATENCY_BUCKETS_S = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 30];

/** Methods that are counted by name: a client may invent any, and each would be a series. */
const METHODS = new Set(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]);

/** What happened to the samples of a request, by outcome. */
export interface SampleOutcomes {
  readonly accepted: number;
  readonly duplicates: number;
  readonly late: number;
  readonly rejected: number;
}

interface Answered {
  readonly requests: ReturnType<Counter<"method" | "status">["labels"]>;
  readonly latency: ReturnType<Histogram<"method">["labels"]>;
}

/** Counters of one service process, in a registry of their own, so that tests don't share them. */
export class Telemetry {
  readonly #registry = new Registry();
  readonly #samples: Counter<"outcome">;
  readonly #ignored: Counter;
  readonly #requests: Counter<"method" | "status">;
  readonly #latency: Histogram<"method">;
  /** By method and status, both of which are few: finding a series costs more than counting. */
  readonly #answered = new Map<string, Answered>();
  readonly #alarms: Counter;
  readonly #failures: Counter<"stage">;
  readonly #subscribers: Gauge;
  readonly #unapplied: Gauge;

  constructor(options: { readonly processMetrics: boolean }) {
    const registers = [this.#registry];
    this.#samples = new Counter({
      name: "driftline_samples_total",
      help: "Samples received, by outcome",
      labelNames: ["outcome"],
      registers,
    });
    this.#ignored = new Counter({
      name: "driftline_values_ignored_total",
      help: "Values of no numeric kind that were left out",
      registers,
    });
    this.#requests = new Counter({
      name: "driftline_http_requests_total",
      help: "HTTP requests answered, by method and status",
      labelNames: ["method", "status"],
      registers,
    });
    this.#latency = new Histogram({
      name: "driftline_http_request_seconds",
      help: "Time from request to answer (streams of events: to their first byte)",
      labelNames: ["method"],
      buckets: LATENCY_BUCKETS_S,
      registers,
    });
    this.#alarms = new Counter({
      name: "driftline_alarms_total",
      help: "Anomaly alarms opened",
      registers,
    });
    this.#failures = new Counter({
      name: "driftline_failures_total",
      help: "Faults of the service itself, by stage",
      labelNames: ["stage"],
      registers,
    });
    this.#subscribers = new Gauge({
      name: "driftline_subscribers",
      help: "Listeners to streams of events",
      registers,
    });
    this.#unapplied = new Gauge({
      name: "driftline_unapplied_samples",
      help: "Samples that this process stored and handed on, and that no state has absorbed yet",
      registers,
    });
    if (options.processMetrics) collectDefaultMetrics({ register: this.#registry });
  }

  countSamples(outcomes: SampleOutcomes, ignoredCount: number): void {
    const { accepted, duplicates, late, rejected } = outcomes;
    if (accepted > 0) this.#samples.inc({ outcome: "accepted" }, accepted);
    if (duplicates > 0) this.#samples.inc({ outcome: "duplicate" }, duplicates);
    if (late > 0) this.#samples.inc({ outcome: "late" }, late);
    if (rejected > 0) this.#samples.inc({ outcome: "rejected" }, rejected);
    if (ignoredCount > 0) this.#ignored.inc(ignoredCount);
  }

  countRequest(given: string, status: number, elapsedS: number): void {
    const method = METHODS.has(given) ? given : "other";
    const key = `${method} ${status}`;
    let series = this.#answered.get(key);
    if (series === undefined) {
      series = {
        requests: this.#requests.labels({ method, status: String(status) }),
        latency: this.#latency.labels({ method }),
      };
      this.#answered.set(key, series);
    }
    series.requests.inc();
    series.latency.observe(elapsedS);
  }

  countAlarms(count: number): void {
    this.#alarms.inc(count);
  }

  countFailure(stage: "absorb" | "request"): void {
    this.#failures.inc({ stage });
  }

  addUnapplied(sampleCount: number): void {
    this.#unapplied.inc(sampleCount);
  }

  /** The metrics in Prometheus text format. */
  text(subscriberCount: number): Promise<string> {
    this.#subscribers.set(subscriberCount);
    return this.#registry.metrics();
  }
}

/** What happened, for whoever runs the service; fields are plain data. */
export interface Log {
  debug(message: string, fields?: Record<string, unknown>): void;
  info(message: string, fields?: Record<string, unknown>): void;
  warning(message: string, fields?: Record<string, unknown>): void;
  error(message: string, fields?: Record<string, unknown>): void;
}

const nothing = () => {};

/** A log that says nothing, for tests and for services inside another program. */
export const silentLog: Log = { debug: nothing, info: nothing, warning: nothing, error: nothing };

/**
 * Opens the log: JSON lines on standard error.
 *
 * @param level lowest level that is written
 * @returns the log, and a function that flushes and closes it
 */
export async function openLog(
  level: "debug" | "info" | "warning" | "error",
): Promise<{ log: Log; close: () => Promise<void> }> {
  // The stream is not the process's own, since closing the sink closes the stream.
  const readable = new TransformStream<Uint8Array, Uint8Array>();
  const written = readable.readable.pipeTo(Deno.stderr.writable, { preventClose: true });
  await configure({
    reset: true,
    sinks: {
      lines: getStreamSink(readable.writable, { formatter: getJsonLinesFormatter() }),
    },
    loggers: [
      { category: "driftline", sinks: ["lines"], lowestLevel: level },
      { category: ["logtape", "meta"], sinks: ["lines"], lowestLevel: "error" },
    ],
  });
  const close = async () => {
    await dispose();
    await written;
  };
  return { log: getLogger("driftline"), close };
}
