import { lookup } from "node:dns/promises";
import { type ClientRequest, type IncomingMessage, request as requestHttp } from "node:http";
import { request as requestHttps } from "node:https";
import { isPrivateAddress, requirePublic, webhookUrl } from "./webhook_target.ts";

/** Milliseconds in which a webhook must have answered. */
export const WEBHOOK_TIMEOUT_MS = 15_000;

/** What became of one request to a webhook. */
export interface SendResult {
  /** HTTP status; null where there was no answer. */
  readonly status: number | null;
  readonly error: string | null;
  /** What `Retry-After` asks for; null without it. */
  readonly retryAfterS: number | null;
}

/** One request to a webhook. */
export interface SendRequest {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** Sends one request; never throws. */
export type SendWebhook = (request: SendRequest) => Promise<SendResult>;

/** Finds the addresses of a name. */
export type ResolveName = (
  host: string,
) => Promise<readonly { readonly address: string; readonly family: number }[]>;

/** How requests are sent. */
export interface SenderOptions {
  /** Whether addresses that are not public may be reached. */
  readonly isPrivateAllowed: boolean;
  /** Default {@linkcode WEBHOOK_TIMEOUT_MS}. */
  readonly timeoutMs?: number;
  /** Default: the resolver of the system. */
  readonly resolve?: ResolveName;
}

type LookupCallback = (error: Error | null, address: unknown, family: number) => void;

/** Looks a name up for a connection, and refuses it where any of its addresses is private. */
function lookupPublic(resolve: ResolveName) {
  return (host: string, options: { all?: boolean }, callback: LookupCallback): void => {
    resolve(host).then((addresses) => {
      const hidden = addresses.find(({ address }) => isPrivateAddress(address));
      if (hidden !== undefined) {
        return callback(new Error(`"${host}" has the private address ${hidden.address}`), "", 0);
      }
      const [first] = addresses;
      if (first === undefined) return callback(new Error(`"${host}" has no address`), "", 0);
      if (options.all === true) return callback(null, addresses, 0);
      callback(null, first.address, first.family);
    }, (error) => callback(error, "", 0));
  };
}

function retryAfterOf({ headers }: IncomingMessage): number | null {
  const text = headers["retry-after"] ?? "";
  return /^\d{1,9}$/.test(text) ? Number(text) : null;
}

/**
 * Makes what sends webhooks: one POST, no redirects, the answer's body unread, an end to patience.
 * The address is checked in the very lookup of the connection.
 */
export function makeSender({ isPrivateAllowed, timeoutMs, resolve }: SenderOptions): SendWebhook {
  const ofName = lookupPublic(resolve ?? ((host) => lookup(host, { all: true })));
  const patienceMs = timeoutMs ?? WEBHOOK_TIMEOUT_MS;
  return ({ url: text, headers, body }) =>
    new Promise((settle) => {
      const fail = (error: unknown) => {
        const reason = error instanceof Error ? error.message : String(error);
        settle({ status: null, error: reason.slice(0, 500), retryAfterS: null });
      };
      let timer: ReturnType<typeof setTimeout> | undefined;
      try {
        const url = webhookUrl(text);
        if (!isPrivateAllowed) requirePublic(url);
        const open = url.protocol === "https:" ? requestHttps : requestHttp;
        const request: ClientRequest = open(url, {
          method: "POST",
          headers: { ...headers, "content-length": String(new TextEncoder().encode(body).length) },
          agent: false,
          ...(isPrivateAllowed ? {} : { lookup: ofName as never }),
        }, (response) => {
          clearTimeout(timer);
          const status = response.statusCode ?? 0;
          const error = status >= 200 && status < 300 ? null : `answered ${status}`;
          settle({ status, error, retryAfterS: retryAfterOf(response) });
          response.destroy();
        });
        timer = setTimeout(() => {
          fail(new Error(`no answer within ${patienceMs} ms`));
          request.destroy();
        }, patienceMs);
        request.on("error", (error) => {
          clearTimeout(timer);
          fail(error);
        });
        request.end(body);
      } catch (error) {
        clearTimeout(timer);
        fail(error);
      }
    });
}
