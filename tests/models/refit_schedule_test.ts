import assert from "node:assert/strict";
import { isLook, showsNewSeason } from "../../src/models/refit_schedule.ts";
import { BUFFER_SAMPLES_MAX, emptyBuffer, pushSample } from "../../src/models/sample_buffer.ts";
import { HOUR_S, noise, seasonalWalk } from "./_series.ts";

function bufferOf(values: Float64Array) {
  const buffer = emptyBuffer();
  values.forEach((value, i) => pushSample(buffer, i * HOUR_S, value));
  return buffer;
}

const CLOCK = { originS: 0, periodS: HOUR_S, stampsJitter: false };
const DAY = { length: 24, slots: 24 };

Deno.test("isLook() is true at counts a fifth apart in a young stream, and where a season can show", () => {
  const looks: number[] = [];
  for (let n = 1; n <= 5_000; n++) if (isLook(n, HOUR_S)) looks.push(n);
  assert.equal(looks[0], 8);
  const young = looks.filter((count) => count < 400);
  young.slice(1).forEach((count, i) => assert.ok(count <= Math.ceil(1.2 * young[i]!), `${count}`));
  // Two and a half days and weeks; two and a half years are more than a search sees.
  assert.ok(looks.includes(60));
  assert.deepEqual(looks.filter((count) => count >= 400), [420]);
  assert.ok(isLook(130, 7 * 24 * HOUR_S), "two and a half years of weeks");
});

Deno.test("isLook() is false beyond the samples that a search sees", () => {
  const slots = BUFFER_SAMPLES_MAX * 2 / 5;
  assert.ok(isLook(BUFFER_SAMPLES_MAX, 24 * HOUR_S / slots));
  assert.ok(!isLook(BUFFER_SAMPLES_MAX + 5, 24 * HOUR_S / (slots + 2)));
});

Deno.test("showsNewSeason() is true at a look that finds more seasons than there are", () => {
  const none = new Float64Array(0);
  const look = [...Array(100).keys()].findLast((n) => isLook(n, HOUR_S))!;
  const season = seasonalWalk(look, 3);
  assert.ok(showsNewSeason(bufferOf(season), none, { clock: CLOCK, seasons: [] }));
  assert.ok(!showsNewSeason(bufferOf(season), none, { clock: CLOCK, seasons: [DAY] }));
  assert.ok(
    !showsNewSeason(bufferOf(seasonalWalk(look - 1, 3)), none, { clock: CLOCK, seasons: [] }),
  );
  assert.ok(!showsNewSeason(bufferOf(noise(look, 3)), none, { clock: CLOCK, seasons: [] }));
  const declared = Float64Array.of(24 * HOUR_S);
  assert.ok(showsNewSeason(bufferOf(noise(look, 3)), declared, { clock: CLOCK, seasons: [] }));
});
