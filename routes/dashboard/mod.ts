/**
 * The dashboard: `/` lists the streams, `/stream?id=…` shows one, `/alerts` shows what is open,
 * `/models` shows what serves and the jobs. `train` serves its own page.
 */
import { Hono } from "hono";
import type { Context } from "hono";
import { type Assets, loadAssets } from "./assets.ts";

/** Everything from our own origin; no inline script or style, no frame, no plug-in. */
const CONTENT_SECURITY_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
  "trusted-types 'none'",
].join("; ");

const SECURITY_HEADERS: Readonly<Record<string, string>> = {
  "Content-Security-Policy": CONTENT_SECURITY_POLICY,
  "Cross-Origin-Opener-Policy": "same-origin",
  "Referrer-Policy": "no-referrer",
  "X-Content-Type-Options": "nosniff",
};

/** A file's name changes with its content, so a browser need never ask again. */
const IMMUTABLE = "public, max-age=31536000, immutable";

/** The pages of the service, by path. */
const SERVICE_PAGES: Readonly<Record<string, string>> = {
  "/": "index.html",
  "/stream": "stream.html",
  "/alerts": "alerts.html",
  "/models": "models.html",
};

/** Options of {@linkcode dashboard}. */
export interface DashboardOptions {
  /** Where the files come from. */
  readonly load?: () => Promise<Assets>;
  /** HTML files of the browser's side, by path; default the service's. */
  readonly pages?: Readonly<Record<string, string>>;
}

/**
 * The dashboard's routes. The files are read at the first request, so a service that nobody looks
 * at does not pay for them.
 */
export function dashboard({ load = loadAssets, pages }: DashboardOptions = {}): Hono {
  let loading: Promise<Assets> | undefined;
  const assets = () => loading ??= load();

  const page = (name: string) => async (c: Context) => {
    const { html, etag } = (await assets()).pages.get(name)!;
    const headers = { ...SECURITY_HEADERS, "Cache-Control": "no-cache", ETag: etag };
    // A compressing server marks the same tag as weak.
    const known = c.req.header("If-None-Match")?.replace(/^W\//, "");
    return known === etag ? c.body(null, 304, headers) : c.html(html, 200, headers);
  };

  const app = new Hono();
  for (const [path, name] of Object.entries(pages ?? SERVICE_PAGES)) app.get(path, page(name));
  app.get("/assets/:version/:name", async (c) => {
    const { root, files } = await assets();
    const file = files.get(c.req.param("name"));
    if (file === undefined || `/assets/${c.req.param("version")}` !== root) return c.notFound();
    return c.body(file.body, 200, {
      "Content-Type": file.mediaType,
      "Cache-Control": IMMUTABLE,
      "X-Content-Type-Options": "nosniff",
    });
  });
  return app;
}
