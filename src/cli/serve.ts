import { InvalidValueError } from "../base/errors.ts";
import {
  PORT_DEFAULT,
  readConfig,
  type ServiceConfig,
  TOKEN_LENGTH_MIN,
} from "../service/config.ts";
import { STATE_CACHE_BYTES_MAX } from "../streams/snapshots.ts";
import { openLog } from "../service/telemetry.ts";
import { type Command, type CommandInput, EXIT_FAILED, EXIT_OK, UsageError } from "./command.ts";
import { type RunningService, startService } from "./start_service.ts";

/** @throws {UsageError} a setting that cannot be taken, of an option or of its variable */
function configOf(input: CommandInput): ServiceConfig {
  try {
    return readConfig({
      host: input.text("host"),
      hosts: input.text("hosts"),
      port: input.text("port"),
      data: input.text("data"),
      store: input.text("store"),
      workers: input.text("workers"),
      stateMemory: input.text("state-memory"),
      device: input.text("device"),
      weights: input.text("weights"),
      privateWebhooks: input.isSet("private-webhooks") ? true : undefined,
      logLevel: input.text("log-level"),
      open: input.isSet("open") ? true : undefined,
    }, (name) => Deno.env.get(name));
  } catch (error) {
    throw error instanceof InvalidValueError ? new UsageError(error.message) : error;
  }
}

/** Resolves at the first SIGINT or SIGTERM; a second one ends the process at once. */
export function shutdownSignal(): Promise<void> {
  return new Promise((resolve) => {
    let isAsked = false;
    const onSignal = () => {
      if (isAsked) Deno.exit(1);
      isAsked = true;
      resolve();
    };
    Deno.addSignalListener("SIGINT", onSignal);
    if (Deno.build.os !== "windows") Deno.addSignalListener("SIGTERM", onSignal);
  });
}

/** `serve`: the service, until a signal ends it. */
export const serveCommand: Command = {
  name: "serve",
  summary: "Serve the HTTP interface and the dashboard",
  usage: "[--port N] [--data FOLDER]",
  description: "Serves on loopback until SIGINT or SIGTERM; what waits is then committed.\n" +
    "Each option has an environment variable: DRIFTLINE_PORT, DRIFTLINE_DATA, and so on.\n" +
    `DRIFTLINE_TOKEN (at least ${TOKEN_LENGTH_MIN} characters) is the bearer token to ask for.`,
  options: {
    host: { type: "string", value: "ADDRESS", help: "Address (default 127.0.0.1)" },
    hosts: { type: "string", value: "NAMES", help: "Names to be called by, or * (any)" },
    port: { type: "string", value: "N", help: `Port (default ${PORT_DEFAULT}; 0 = any free)` },
    data: { type: "string", value: "FOLDER", help: "Folder of the store (default data)" },
    store: { type: "string", value: "KIND", help: "sqlite (default) or memory" },
    workers: { type: "string", value: "N", help: "Compute Workers (default: cores less one)" },
    "state-memory": {
      type: "string",
      value: "MIB",
      help: `Memory of states (default ${STATE_CACHE_BYTES_MAX / 2 ** 20} MiB)`,
    },
    device: { type: "string", value: "KIND", help: "Jobs run on: auto (default), cpu, webgpu" },
    weights: { type: "string", value: "FOLDER", help: "Folder of networks, or none" },
    "private-webhooks": { type: "boolean", help: "Let alerts reach addresses that are private" },
    "log-level": { type: "string", value: "LEVEL", help: "debug, info, warning, error" },
    open: { type: "boolean", help: "Serve others without a token" },
  },
  async run(input, output) {
    if (input.positionals.length > 0) {
      throw new UsageError(`"${input.positionals[0]}" is not expected`);
    }
    const config = configOf(input);
    const { log, close: closeLog } = await openLog(config.logLevel);
    // Listened to before the start, so that a signal during it is not lost.
    const signal = shutdownSignal();
    let running: RunningService;
    try {
      running = await startService(config, log);
    } catch (error) {
      log.debug("Cannot start: {error}", { error: String((error as Error).stack) });
      const reason = error instanceof Error ? error.message : String(error);
      output.note(`Cannot serve at ${config.host}:${config.port} from "${config.data}": ${reason}`);
      await closeLog();
      return EXIT_FAILED;
    }
    output.print(
      input.isSet("json")
        ? JSON.stringify({ url: running.url })
        : `Driftline serves at ${running.url}`,
    );
    await signal;
    await running.close();
    await closeLog();
    return EXIT_OK;
  },
};
