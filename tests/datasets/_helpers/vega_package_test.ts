import assert from "node:assert/strict";
import { InvalidValueError } from "../../../src/base/errors.ts";
import { readVegaFile, vegaResource } from "../../../datasets/_helpers/vega_package.ts";
import { DATASETS } from "../../../datasets/mod.ts";

Deno.test("readVegaFile() refuses a file that is not the one described", async () => {
  await assert.rejects(
    () => readVegaFile("co2-concentration.csv", "0".repeat(64)),
    (error: unknown) => error instanceof InvalidValueError,
  );
});

Deno.test("every source and licence is the one that the package states", async () => {
  for (const { name, origin } of DATASETS) {
    if (origin.file === null) continue;
    const resource = await vegaResource(origin.file);
    assert.ok(resource, `${origin.file} is not described`);
    const source = resource.sources?.[0]?.title ?? "";
    const named = source.split(" ").filter((word) => origin.source.includes(word));
    assert.ok(named.length >= 2, `${name}: "${origin.source}" is not "${source}"`);
    const licence = resource.licenses?.[0]?.title;
    assert.ok(origin.licence.startsWith(licence ?? "None stated"), `${name}: ${licence}`);
  }
});
