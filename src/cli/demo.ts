import { datasetByName } from "../../datasets/mod.ts";
import type { Segment } from "../signal/segment.ts";
import { PORT_DEFAULT, readConfig } from "../service/config.ts";
import { type Log, openLog } from "../service/telemetry.ts";
import { type Command, type CommandInput, type CommandOutput, EXIT_OK } from "./command.ts";
import { Client } from "./demo/client.ts";
import { type DemoResult, type DemoSeries, newest, replay } from "./demo/replay.ts";
import { reportOf } from "./demo/report.ts";
import { openProgress } from "./progress.ts";
import { shutdownSignal } from "./serve.ts";
import { type RunningService, startService } from "./start_service.ts";

/**
 * An hourly weather, a monthly climate and a daily market series, and a drawn one with faults
 * planted in it, of which a dropout comes live, a quarter of a minute after the report.
 */
const SERIES: readonly DemoSeries[] = [
  {
    dataset: datasetByName("seattle-hourly"),
    samplesMax: 1_500,
    horizon: 24,
    originCount: 7,
    liveCount: 120,
  },
  {
    dataset: datasetByName("co2-monthly"),
    samplesMax: 741,
    horizon: 12,
    originCount: 8,
    liveCount: 24,
    range: { lower: 0 },
  },
  {
    dataset: datasetByName("sp500-daily"),
    samplesMax: 1_500,
    horizon: 10,
    originCount: 12,
    liveCount: 120,
    range: { lower: 0 },
  },
  {
    dataset: datasetByName("synthetic-planted"),
    samplesMax: 2_000,
    horizon: 24,
    originCount: 7,
    liveCount: 124,
  },
];

/** Between two samples of the part that comes live after the report. */
const LIVE_STEP_MS = 1_000;

/** Serves on the port asked for; without one, on a free port where the usual one is taken. */
async function openOnFreePort(
  data: string,
  port: number | undefined,
  log: Log,
): Promise<RunningService> {
  // The environment's settings are those of a real service, whose data is not touched.
  const config = readConfig({ data, port: port ?? PORT_DEFAULT }, () => undefined);
  try {
    return await startService(config, log);
  } catch (error) {
    if (port !== undefined || !(error instanceof Deno.errors.AddrInUse)) throw error;
    return await startService({ ...config, port: 0 }, log);
  }
}

/** Sends the samples held back, one of each series at a time, until they end or `isOver`. */
async function sendLive(
  client: Client,
  segments: readonly Segment[],
  isOver: () => boolean,
): Promise<void> {
  const most = Math.max(...SERIES.map(({ liveCount }) => liveCount));
  for (let step = 0; step < most && !isOver(); step++) {
    await Promise.all(segments.map((segment, i) => {
      const { length } = segment.timestampsNs;
      const at = length - SERIES[i]!.liveCount + step;
      return at < length ? client.send(segment, at, at + 1) : undefined;
    }));
    await new Promise((resolve) => setTimeout(resolve, LIVE_STEP_MS));
  }
}

/** Replays all series at once and prints what each showed. */
async function replayAll(
  service: RunningService,
  segments: readonly Segment[],
  output: CommandOutput,
): Promise<DemoResult[]> {
  const client = new Client(service.url);
  const sent = SERIES.map(() => 0);
  const sum = (counts: readonly number[]) => counts.reduce((total, count) => total + count, 0);
  const total = sum(
    segments.map(({ timestampsNs }, i) => timestampsNs.length - SERIES[i]!.liveCount),
  );
  const progress = await openProgress("Replaying", output.isProgressShown);
  try {
    return await Promise.all(SERIES.map((series, i) =>
      replay(client, series, {
        segment: segments[i]!,
        nowMs: () => performance.now(),
        onProgress(count) {
          sent[i] = count;
          progress.update(sum(sent), total);
        },
      })
    ));
  } finally {
    progress.stop();
  }
}

async function show(
  service: RunningService,
  input: CommandInput,
  output: CommandOutput,
  isStopped: () => boolean,
): Promise<void> {
  const segments = await Promise.all(SERIES.map(newest));
  const results = await replayAll(service, segments, output);
  if (input.isSet("json")) {
    output.print(JSON.stringify({ dashboard: `${service.url}/`, series: results }));
  } else {
    for (const result of results) output.print(reportOf(result));
  }
  if (input.isSet("once")) return;
  if (!input.isSet("json")) {
    output.print(`Dashboard: ${service.url}/`);
    output.print("The newest samples of each series follow, one a second. Ctrl-C stops.");
  }
  await sendLive(new Client(service.url), segments, isStopped);
}

/** `demo`: a service of its own, real series through its HTTP API, and what it says of them. */
export const demoCommand: Command = {
  name: "demo",
  summary: "Serve, replay real series, print forecasts and flags",
  usage: "[--once] [--port N] [--json]",
  description:
    "Starts the service on loopback with a store in a fresh folder, sends three real series,\n" +
    "and a drawn one with faults planted in it, through the HTTP API and prints a forecast of\n" +
    "each with 80 % and 95 % intervals, its error on held-out samples beside seasonal naive,\n" +
    "and the flagged anomalies. Then it serves on, with the last samples of each series coming\n" +
    "live, a fault among them, until Ctrl-C. The folder is then removed.",
  options: {
    once: { type: "boolean", help: "Exit after the report" },
    port: { type: "string", value: "N", help: "Port to listen on; 0 = any free one" },
  },
  async run(input, output) {
    const port = input.wholeNumber("port", { least: 0, most: 65_535 });
    // Listened to before the start, so that the folder is removed whenever the signal comes.
    let isStopped = false;
    const stopped = shutdownSignal().then(() => {
      isStopped = true;
    });
    const { log, close: closeLog } = await openLog("warning");
    const data = await Deno.makeTempDir({ prefix: "driftline-demo-" });
    try {
      const service = await openOnFreePort(data, port, log);
      try {
        const shown = show(service, input, output, () => isStopped);
        await Promise.race([stopped, input.isSet("once") ? shown : shown.then(() => stopped)]);
      } finally {
        await service.close();
      }
    } finally {
      await Deno.remove(data, { recursive: true });
      await closeLog();
    }
    return EXIT_OK;
  },
};
