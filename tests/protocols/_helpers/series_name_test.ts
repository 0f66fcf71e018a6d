import assert from "node:assert/strict";
import { seriesName, shortenedName } from "../../../src/protocols/_helpers/series_name.ts";
import { isStreamId, STREAM_ID_LENGTH_MAX } from "../../../src/signal/segment.ts";

Deno.test("seriesName() sorts tags and encodes what a name cannot hold", () => {
  const tags = new Map([["job", "a,b=c%"], ["host", "x\n"], ["émoi", "🙂"]]);
  const name = seriesName("cpu", tags);
  assert.equal(name, "cpu,host=x%0A,job=a%2Cb%3Dc%25,émoi=🙂");
  assert.ok(isStreamId(name));
  assert.equal(seriesName("cpu", new Map([...tags].reverse())), name);
  assert.equal(seriesName(".a ", new Map()), "%2Ea%20");
});

Deno.test("shortenedName() keeps what fits, and tells apart what it cuts", () => {
  const fits = "m".repeat(STREAM_ID_LENGTH_MAX);
  assert.equal(shortenedName(fits), fits);
  const [a, b] = ["a", "b"].map((end) => shortenedName(`${fits}${end}`));
  assert.notEqual(a, b);
  assert.match(a!, /^m{183}~[0-9a-f]{16}$/);
  assert.ok(isStreamId(a!));
  // A pair of surrogates is kept whole or not at all.
  const odd = shortenedName("m" + "🙂".repeat(STREAM_ID_LENGTH_MAX));
  assert.match(odd, /^m(🙂){91}~[0-9a-f]{16}$/u);
  const even = shortenedName("🙂".repeat(STREAM_ID_LENGTH_MAX));
  assert.match(even, /^(🙂){91}~[0-9a-f]{16}$/u);
});
