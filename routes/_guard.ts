import { createHash, timingSafeEqual } from "node:crypto";
import { RequestError } from "./_problem.ts";

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

/**
 * Refuses requests without the token, and writes that a page of another site makes a browser send.
 *
 * @param token bearer token; undefined = everyone who reaches the service may use it
 */
export function makeGuard(token: string | undefined): (request: Request, path: string) => void {
  const expected = token === undefined ? undefined : digestOf(token);
  return (request, path) => {
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
