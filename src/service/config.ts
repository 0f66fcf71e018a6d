import { z } from "zod";
import { InvalidValueError } from "../base/errors.ts";
import { faultOf } from "../base/parse.ts";
import { DEVICE_MODES, type DeviceMode } from "./devices.ts";

/** Port that the service listens on unless told otherwise. */
export const PORT_DEFAULT = 8733;

/** Shortest bearer token that is accepted: 128 bits as hex have 32 characters, 16 are a floor. */
export const TOKEN_LENGTH_MIN = 16;

/** Most compute Workers that one process starts. */
export const WORKER_COUNT_MAX = 64;

/** Least and most MiB of memory that states may be given. */
export const STATE_MEMORY_MIB = [16, 1_048_576] as const;

/** Stands for any name among the hosts. */
const ANY_HOST = "*";

const flag = z.union([z.boolean(), z.enum(["0", "1", "true", "false"])])
  .transform((value) => value === true || value === "1" || value === "true");

const count = (least: number, most: number) => {
  const wanted = `a whole number from ${least} to ${most}`;
  return z.union([z.number(), z.string().regex(/^\d+$/, wanted).transform(Number)])
    .pipe(z.int(wanted).min(least, wanted).max(most, wanted));
};

/** A name or address as a URL has it, without a port. */
const HOST_NAME = /^(?:[a-z0-9_](?:[a-z0-9_.-]*[a-z0-9_])?|\[[0-9a-f:.]+\])$/;

const hostNames = z.string()
  .transform((text) => text.split(",").map((name) => name.trim().toLowerCase()))
  .refine(
    (names) => names.every((name) => name === ANY_HOST || HOST_NAME.test(name)),
    "names without a port, parted by commas, as drift.example, or *",
  );

const schema = z.strictObject({
  host: z.string().min(1).default("127.0.0.1"),
  hosts: hostNames.optional(),
  port: count(0, 65_535).default(PORT_DEFAULT),
  data: z.string().min(1).default("data"),
  store: z.enum(["sqlite", "memory"]).default("sqlite"),
  token: z.string().min(TOKEN_LENGTH_MIN).optional(),
  open: flag.default(false),
  workers: count(1, WORKER_COUNT_MAX).optional(),
  stateMemory: count(...STATE_MEMORY_MIB).optional(),
  device: z.enum(DEVICE_MODES).default("auto"),
  weights: z.string().min(1).optional(),
  privateWebhooks: flag.default(false),
  logLevel: z.enum(["debug", "info", "warning", "error"]).default("info"),
});

/** Settings of one service process. */
export interface ServiceConfig {
  /** Address to listen on; loopback unless told otherwise. */
  readonly host: string;
  /**
   * Names that requests may call the service by beside those of this machine; `*` = any. None given
   * = any where others are served or a token is asked for, else those of this machine alone.
   */
  readonly hosts?: readonly string[] | undefined;
  /** 0 lets the system choose a free one. */
  readonly port: number;
  /** Folder of the embedded store. */
  readonly data: string;
  readonly store: "sqlite" | "memory";
  /** Bearer token that every request but the health checks must carry; none = no check. */
  readonly token?: string | undefined;
  /** Allows an address that others can reach without a token. */
  readonly open: boolean;
  /** Compute Workers; none = as many as the machine's cores less one. */
  readonly workers?: number | undefined;
  /** MiB of memory for states; none = STATE_CACHE_BYTES_MAX. */
  readonly stateMemory?: number | undefined;
  /** What jobs run on. */
  readonly device: DeviceMode;
  /** Folder of the networks that serve; none = the program's own, `none` = no networks. */
  readonly weights?: string | undefined;
  /** Allows webhooks to reach addresses that are not public. */
  readonly privateWebhooks: boolean;
  readonly logLevel: "debug" | "info" | "warning" | "error";
}

/** Environment variable of each setting: `DRIFTLINE_` and the name in capitals. */
export const CONFIG_VARIABLES: Readonly<Record<keyof ServiceConfig, string>> = {
  host: "DRIFTLINE_HOST",
  hosts: "DRIFTLINE_HOSTS",
  port: "DRIFTLINE_PORT",
  data: "DRIFTLINE_DATA",
  store: "DRIFTLINE_STORE",
  token: "DRIFTLINE_TOKEN",
  open: "DRIFTLINE_OPEN",
  workers: "DRIFTLINE_WORKERS",
  stateMemory: "DRIFTLINE_STATE_MEMORY",
  device: "DRIFTLINE_DEVICE",
  weights: "DRIFTLINE_WEIGHTS",
  privateWebhooks: "DRIFTLINE_PRIVATE_WEBHOOKS",
  logLevel: "DRIFTLINE_LOG_LEVEL",
};

/** True for addresses that only this machine can reach. */
export function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || host === "[::1]" ||
    /^127(?:\.\d{1,3}){1,3}$/.test(host);
}

/**
 * Names that requests may call the service by beside those of this machine; null = any. A page of
 * another site may let its own name point here and then reads as if it were ours; a token, which it
 * does not know, keeps it out as well.
 */
export function allowedHosts({ host, hosts, token }: ServiceConfig): readonly string[] | null {
  if (hosts !== undefined) return hosts.includes(ANY_HOST) ? null : hosts;
  return isLoopback(host) && token === undefined ? [] : null;
}

/**
 * Settings from the environment, overridden by flags of the command line.
 *
 * @param flags    what the command line gave; an absent or undefined one is not given
 * @param readVariable reads an environment variable
 * @throws {InvalidValueError} a value out of range, or an address that others can reach without a
 *   token; the field names the flag or variable
 */
export function readConfig(
  flags: Readonly<Record<string, unknown>>,
  readVariable: (name: string) => string | undefined,
): ServiceConfig {
  const given: Record<string, unknown> = {};
  const sources: Record<string, string> = {};
  for (const [key, variable] of Object.entries(CONFIG_VARIABLES)) {
    const fromVariable = readVariable(variable);
    if (fromVariable !== undefined && fromVariable !== "") {
      given[key] = fromVariable;
      sources[key] = variable;
    }
  }
  for (const [key, value] of Object.entries(flags)) {
    if (value === undefined) continue;
    given[key] = value;
    sources[key] = `--${key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
  }
  const parsed = schema.safeParse(given);
  if (!parsed.success) {
    const issue = parsed.error.issues[0]!;
    const key = String(issue.path[0] ?? "settings");
    // A token is never shown, not even a bad one.
    const shown = key === "token" ? "(hidden)" : given[key];
    throw new InvalidValueError(sources[key] ?? key, shown, faultOf(issue, given).expectation);
  }
  const config: ServiceConfig = parsed.data;
  if (!isLoopback(config.host) && config.token === undefined && !config.open) {
    throw new InvalidValueError(
      sources["host"] ?? "host",
      config.host,
      "a loopback address, or DRIFTLINE_TOKEN, or --open to serve others without a token",
    );
  }
  return config;
}
