import assert from "node:assert/strict";
import { loadAssets, wholePage } from "../../../routes/dashboard/assets.ts";

const assets = await loadAssets();
const decoder = new TextDecoder();

Deno.test("loadAssets() names its root after the content", async () => {
  assert.match(assets.root, /^\/assets\/[0-9a-f]{16}$/);
  assert.equal((await loadAssets()).root, assets.root);
});

Deno.test("loadAssets() leaves no types in the modules and moves no line", async () => {
  const { body } = assets.files.get("series.ts")!;
  const served = decoder.decode(body);
  const source = await Deno.readTextFile(
    new URL("../../../routes/dashboard/client/series.ts", import.meta.url),
  );
  assert.ok(!/\binterface\b|: readonly |import type/.test(served));
  assert.equal(served.split("\n").length, source.split("\n").length);
});

Deno.test("every file that a page or a module asks for is served", () => {
  const asked: string[] = [];
  for (const { html } of assets.pages.values()) {
    assert.ok(!html.includes("{{"), "a placeholder was left");
    for (const [, address] of html.matchAll(/(?:src|href)="(\/assets\/[^"]+)"/g)) {
      assert.ok(address!.startsWith(`${assets.root}/`), address);
      asked.push(address!.slice(assets.root.length + 1));
    }
  }
  for (const [name, { body }] of assets.files) {
    if (!name.endsWith(".ts")) continue;
    const code = decoder.decode(body);
    for (const [, specifier] of code.matchAll(/\bfrom\s*"([^"]+)"/g)) {
      assert.match(specifier!, /^\.\/[a-z_]+\.ts$/, `${name} imports ${specifier}`);
      asked.push(specifier!.slice(2));
    }
  }
  assert.ok(asked.length > 10);
  for (const name of asked) assert.ok(assets.files.has(name), `${name} is not served`);
});

Deno.test("no page asks another origin, and none holds a script or style of its own", () => {
  for (const [name, { html }] of assets.pages) {
    assert.ok(!/\b(?:src|href)="(?:https?:)?\/\//.test(html), name);
    assert.ok(!/<style|\sstyle=|\son[a-z]+=|<script(?![^>]*\bsrc=)/.test(html), name);
  }
});

Deno.test("every page has its shared parts, and marks its own link in the bar", () => {
  const own = { index: "/", alerts: "/alerts", models: "/models", stream: null };
  for (const [name, path] of Object.entries(own)) {
    const { html } = assets.pages.get(`${name}.html`)!;
    assert.match(html, /<meta charset="utf-8">[^]*<title>[^]*<nav aria-label="Site">/);
    const marked = [...html.matchAll(/<a href="([^"]+)" aria-current="page">/g)];
    assert.deepEqual(marked.map(([, address]) => address), path === null ? [] : [path]);
  }
  assert.deepEqual([...assets.pages.keys()].filter((name) => name.startsWith("_")), []);
});

Deno.test("wholePage() refuses a part that is no file", () => {
  const texts = new Map([["a.html", "<p>\n  <!-- _none.html -->\n</p>"]]);
  assert.throws(() => wholePage("a.html", texts), { name: "NotFoundError", id: "_none.html" });
});
