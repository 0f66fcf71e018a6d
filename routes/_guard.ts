import { createHash, timingSafeEqual } from "node:crypto";
import { LimitError } from "../src/base/errors.ts";
import { isLoopback } from "../src/service/config.ts";
import { RequestError } from "./_problem.ts";

/** Characters of a URL. From 65,535 on the runtime answers by itself: 400 without a body. */
export const URL_LENGTH_MAX = 32_768;

/** Paths that answer without a token: they say nothing of the data. */
const OPEN_PATHS = new Set(["/healthz", "/readyz", "/ping"]);

const SAFE_METHODS = new Set(["GET", "HEAD", "OPTIONS"]);

const digestOf = (text: string) => createHash("sha256").update(text).digest();

/** The token of an Authorization header, whichever scheme carries it; null without one. */
function givenToken(header: string | null): string | null {
  const [scheme, credentials] = (header ?? "").split(/\s+/, 2);
  if (scheme === undefined || credentials === undefined) return null;
  switch (scheme.toLowerCase()) {
    case "bearer":
    case "token":
      return credentials;
    case "basic": {
      // A browser asks for name and password by itself, and sends them with event streams too.
      const text = new TextDecoder().decode(decodeBase64(credentials));
      return text.slice(text.indexOf(":") + 1);
    }
    default:
      return null;
  }
}

function decodeBase64(text: string): Uint8Array {
  try {
    return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  } catch {
    return new Uint8Array();
  }
}

/** A Host header without its port, as names are compared. */
function nameOf(host: string): string {
  return host.replace(/:\d*$/, "").toLowerCase().replace(/\.$/, "");
}

/**
 * Refuses requests that call the service by a name that is not its own: a page of another site may
 * let its name point here, and a browser then takes our answers for that site's.
 *
 * @param names  beside those of this machine
 */
export function makeHostGuard(names: readonly string[]): (request: Request) => void {
  let known: string | null = null;
  return (request) => {
    // HTTP/2 has it in the URL alone. Nearly all requests have the one that was let in before.
    const host = request.headers.get("host") ?? new URL(request.url).host;
    if (host === known) return;
    const name = nameOf(host);
    if (!isLoopback(name) && !name.endsWith(".localhost") && !names.includes(name)) {
      const own = ["localhost", ...names].join(", ");
      const detail = `Host is "${host.slice(0, 200)}", expected one of ${own}; ` +
        "further names are given by --hosts or DRIFTLINE_HOSTS";
      throw new RequestError("forbidden", 403, detail, { field: "Host", value: host });
    }
    known = host;
  };
}

/**
 * Refuses requests without the token, by a foreign name or with too long a URL, and writes that a
 * page of another site makes a browser send.
 *
 * @param token bearer token; undefined = everyone who reaches the service may use it
 * @param hosts names that the service may be called by beside those of this machine; null = any
 */
export function makeGuard(
  token: string | undefined,
  hosts: readonly string[] | null,
): (request: Request, path: string) => void {
  const expected = token === undefined ? undefined : digestOf(token);
  const guardHost = hosts === null ? () => {} : makeHostGuard(hosts);
  return (request, path) => {
    const { length } = request.url;
    if (length > URL_LENGTH_MAX) {
      throw new LimitError("URL_LENGTH_MAX", URL_LENGTH_MAX, length, "url");
    }
    if (!OPEN_PATHS.has(path)) guardHost(request);
    if (!SAFE_METHODS.has(request.method)) refuseCrossSite(request);
    if (expected === undefined || OPEN_PATHS.has(path)) return;
    const given = givenToken(request.headers.get("authorization"));
    if (given !== null && timingSafeEqual(digestOf(given), expected)) return;
    throw new RequestError("unauthorized", 401, "The bearer token is missing or wrong", {
      field: "Authorization",
      headers: { "WWW-Authenticate": 'Bearer realm="driftline", Basic realm="driftline"' },
    });
  };
}

/** Browsers say where a request comes from; other clients don't send the header. */
function refuseCrossSite(request: Request): void {
  const site = request.headers.get("sec-fetch-site");
  if (site === null || site === "same-origin" || site === "none") return;
  throw new RequestError("forbidden", 403, "A page of another site may not write here", {
    field: "Sec-Fetch-Site",
  });
}
