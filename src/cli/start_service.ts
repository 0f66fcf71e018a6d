import { systemClock } from "../base/clock.ts";
import { createApp } from "../../routes/app.ts";
import type { ServiceConfig } from "../service/config.ts";
import { Service } from "../service/service.ts";
import { type Log, Telemetry } from "../service/telemetry.ts";
import { openMemoryStore, openSqliteStore, type Store } from "../stores/mod.ts";
import { openEngine } from "../streams/open_engine.ts";

/** Requests in work at shutdown get this long to end. */
export const DRAIN_MS_MAX = 20_000;

/** A service that listens. */
export interface RunningService {
  /** Where it listens, without a slash at the end. */
  readonly url: string;
  readonly service: Service;
  /** Takes no more requests, ends those in work, commits all states, closes the files. */
  close(): Promise<void>;
}

function openStore(config: ServiceConfig): Promise<Store> {
  switch (config.store) {
    case "memory":
      return Promise.resolve(openMemoryStore({ clock: systemClock }));
    case "sqlite":
      return openSqliteStore({ folder: config.data, clock: systemClock });
    default:
      return config.store satisfies never;
  }
}

/** Opens store and engine and serves the whole HTTP interface. */
export async function startService(config: ServiceConfig, log: Log): Promise<RunningService> {
  const store = await openStore(config);
  const workers = config.workers ?? Math.max(1, navigator.hardwareConcurrency - 1);
  const engine = await openEngine({ store, workers, clock: systemClock });
  const telemetry = new Telemetry({ processMetrics: true });
  const service = new Service({ store, engine, telemetry, log, clock: systemClock });
  const app = createApp(service, { token: config.token });
  let server: Deno.HttpServer<Deno.NetAddr>;
  try {
    server = Deno.serve({
      hostname: config.host,
      port: config.port,
      onListen: () => {},
    }, (request) => app.fetch(request));
  } catch (error) {
    await service.close();
    throw error;
  }
  const host = config.host.includes(":") ? `[${config.host}]` : config.host;
  const url = `http://${host}:${server.addr.port}`;
  log.info("Listening on {url}", { url, store: config.store, workers });
  return { url, service, close: () => drain(service, server, log) };
}

async function drain(service: Service, server: Deno.HttpServer, log: Log): Promise<void> {
  log.info("Shutting down");
  service.beginShutdown();
  let timer: ReturnType<typeof setTimeout> | undefined;
  const patience = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, DRAIN_MS_MAX);
  });
  await Promise.race([server.shutdown(), patience]);
  clearTimeout(timer);
  await service.close();
  log.info("Closed");
}
