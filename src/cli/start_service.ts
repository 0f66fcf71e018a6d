import { systemClock } from "../base/clock.ts";
import { createApp } from "../../routes/app.ts";
import { allowedHosts, type ServiceConfig } from "../service/config.ts";
import { builtInModels, inspectNetwork } from "../service/built_in_models.ts";
import { WorkerBacktestPort } from "../service/backtest_port.ts";
import { Backtests } from "../service/backtests.ts";
import { DeviceWatch } from "../service/devices.ts";
import { WorkerJobPort } from "../service/job_port.ts";
import { Jobs } from "../service/jobs.ts";
import { ModelService } from "../service/model_service.ts";
import { TrainedModels } from "../service/models.ts";
import { Service } from "../service/service.ts";
import { type Log, Telemetry } from "../service/telemetry.ts";
import { shippedWeights } from "../service/weights.ts";
import { openMemoryStore, openSqliteStore, type Store } from "../stores/mod.ts";
import type { Engine } from "../streams/engine.ts";
import { openEngine } from "../streams/open_engine.ts";

/** Requests in work at shutdown get this long to end. */
export const DRAIN_MS_MAX = 20_000;

/**
 * Once all requests are answered the answers get this long to reach their readers. A client that
 * still owes the rest of a body keeps its connection open for as long as it likes.
 */
const LINGER_MS = 2_000;

const POLL_MS = 20;

/** Counts requests until they are answered. */
class RequestCount {
  #count = 0;

  async during(answer: () => Response | Promise<Response>): Promise<Response> {
    this.#count++;
    try {
      return await answer();
    } finally {
      this.#count--;
    }
  }

  /** Resolves when all are answered, or at the end of our patience. */
  async ended(waitMsMax: number): Promise<void> {
    const untilMs = systemClock.monotonicMs() + waitMsMax;
    while (this.#count > 0 && systemClock.monotonicMs() < untilMs) await sleep(POLL_MS);
  }
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** A service that listens. */
export interface RunningService {
  /** Where it listens, without a slash at the end. */
  readonly url: string;
  readonly service: Service;
  /** Takes no more requests, ends those in work, commits all states, closes the files. */
  close(): Promise<void>;
}

function openStore(config: ServiceConfig, log: Log): Promise<Store> {
  switch (config.store) {
    case "memory":
      return Promise.resolve(openMemoryStore({ clock: systemClock }));
    case "sqlite":
      return openSqliteStore({
        folder: config.data,
        clock: systemClock,
        onFaults: (faults) => {
          for (const fault of faults) log.error("Damaged database: {fault}", { fault });
        },
      });
    default:
      return config.store satisfies never;
  }
}

/** Where models and jobs are kept; a store in memory leaves nothing behind. */
async function openFolder(config: ServiceConfig) {
  if (config.store !== "memory") return { folder: config.data, remove: () => Promise.resolve() };
  const folder = await Deno.makeTempDir({ prefix: "driftline-" });
  return { folder, remove: () => Deno.remove(folder, { recursive: true }) };
}

/** Opens the engine with the trained models that are there, and goes on with the jobs. */
async function openServing(
  store: Store,
  folder: string,
  { device, workers, weights, stateMemory }: ServiceConfig,
  log: Log,
) {
  const clock = systemClock;
  const shipped = shippedWeights(weights);
  const networks = [...shipped.keys()].join(", ") || "none: the other models need no weights";
  log.info("Networks: {networks}", { networks });
  const files = new Map<string, Uint8Array>(shipped);
  const opened: { engine?: Engine } = {};
  const models = new TrainedModels({
    folder: `${folder}/models`,
    builtIn: builtInModels(shipped),
    inspect: inspectNetwork,
    // What is there at the start the engine is opened with: no state waits for its model.
    serve: (name, bytes) => {
      if (opened.engine !== undefined) return opened.engine.setModel(name, bytes);
      if (bytes !== null) files.set(name, bytes);
      return Promise.resolve();
    },
    ...{ log, clock },
  });
  await models.load();
  const engine = opened.engine = await openEngine({
    ...{ store, workers, clock, models: files },
    stateCacheBytesMax: stateMemory === undefined ? undefined : stateMemory * 2 ** 20,
  });
  const port = new WorkerJobPort(
    { mode: device, cacheFile: `${folder}/devices.json` },
    (message) => log.info("Devices: {message}", { message }),
  );
  const devices = new DeviceWatch(device, () => port.devices());
  // In the background: the service answers meanwhile, and only jobs wait for a GPU.
  if (device !== "cpu") devices.open();
  const jobs = new Jobs({ folder: `${folder}/jobs`, models, port, log, clock });
  await jobs.start();
  return { engine, models: new ModelService({ store, models, jobs, devices, shipped }) };
}

/** Opens store and engine and serves the whole HTTP interface. */
export async function startService(config: ServiceConfig, log: Log): Promise<RunningService> {
  const store = await openStore(config, log);
  const { folder, remove } = await openFolder(config);
  const { engine, models } = await openServing(store, folder, config, log);
  const telemetry = new Telemetry({ processMetrics: true });
  const port = new WorkerBacktestPort(new URL("./backtest/worker.ts", import.meta.url));
  const backtests = new Backtests({
    ...{ store, models, port, log, clock: systemClock },
    folder: `${folder}/backtests`,
  });
  await backtests.start();
  const parts = { store, engine, models, backtests, telemetry, log, clock: systemClock };
  const service = new Service({ ...parts, isPrivateAllowed: config.privateWebhooks });
  await service.heartbeats.start();
  await service.alerts.start();
  const app = createApp(service, { token: config.token, hosts: allowedHosts(config) });
  const requests = new RequestCount();
  let server: Deno.HttpServer<Deno.NetAddr>;
  try {
    server = Deno.serve({
      hostname: config.host,
      port: config.port,
      onListen: () => {},
    }, (request) => requests.during(() => app.fetch(request)));
  } catch (error) {
    await service.close();
    await remove();
    throw error;
  }
  const host = config.host.includes(":") ? `[${config.host}]` : config.host;
  const url = `http://${host}:${server.addr.port}`;
  const { workers } = engine.stats();
  log.info("Listening on {url}", { url, store: config.store, workers });
  const close = () => drain(service, server, requests, log).then(remove);
  return { url, service, close };
}

async function drain(
  service: Service,
  server: Deno.HttpServer,
  requests: RequestCount,
  log: Log,
): Promise<void> {
  log.info("Shutting down");
  service.beginShutdown();
  const closed = server.shutdown();
  await Promise.race([closed, requests.ended(DRAIN_MS_MAX)]);
  let timer: ReturnType<typeof setTimeout> | undefined;
  const linger = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, LINGER_MS);
  });
  await Promise.race([closed, linger]);
  clearTimeout(timer);
  await service.close();
  log.info("Closed");
}
