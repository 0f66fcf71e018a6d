import { Hono } from "hono";
// Named so that the package is there before the page is asked for.
import about from "swagger-ui-dist/package.json" with { type: "json" };

/** Files of the reference page, as npm's swagger-ui-dist has them, and their media types. */
const ASSETS: Readonly<Record<string, string>> = {
  "swagger-ui.css": "text/css; charset=utf-8",
  "swagger-ui-bundle.js": "text/javascript; charset=utf-8",
  "favicon-32x32.png": "image/png",
};

/** Everything from this origin; the page's own style attributes are why styles are inline. */
const POLICY = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; " +
  "img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; " +
  "frame-ancestors 'none'";

const PAGE = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Driftline API</title>
<link rel="icon" href="/docs/favicon-32x32.png">
<link rel="stylesheet" href="/docs/swagger-ui.css">
</head>
<body>
<div id="reference"></div>
<script src="/docs/swagger-ui-bundle.js"></script>
<script src="/docs/start.js"></script>
</body>
</html>
`;

const START = `SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#reference",
  deepLinking: true,
  validatorUrl: null,
});
`;

/** The page of reference, from our own origin only. */
export function docsRoutes(): Hono {
  const tag = `"${about.version}"`;
  const routes = new Hono();
  routes.get("/docs", (c) => c.html(PAGE, 200, { "Content-Security-Policy": POLICY }));
  routes.get(
    "/docs/start.js",
    (c) => c.body(START, 200, { "Content-Type": ASSETS["swagger-ui-bundle.js"]! }),
  );
  routes.get("/docs/:file", async (c) => {
    const file = c.req.param("file");
    const mediaType = ASSETS[file];
    if (mediaType === undefined) return c.notFound();
    const caching = { "Cache-Control": "no-cache", ETag: tag };
    if (c.req.header("if-none-match") === tag) return c.body(null, 304, caching);
    const bytes = await Deno.readFile(new URL(import.meta.resolve(`swagger-ui-dist/${file}`)));
    return c.body(bytes, 200, { "Content-Type": mediaType, ...caching });
  });
  return routes;
}
