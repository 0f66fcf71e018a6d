import assert from "node:assert/strict";
import {
  covariateTail,
  type CovariateWindow,
  emptyHistory,
  HISTORY_ROOM_MAX,
  pushHistory,
  regressorsInto,
} from "../../src/models/covariate_history.ts";
import { LAG_MAX } from "../../src/models/delays.ts";
import { BUFFER_SAMPLES_MAX } from "../../src/models/sample_buffer.ts";

/** Two covariates that tell the number of the sample, from 1 on. */
const columns = (length: number) => [
  Float64Array.from({ length }, (_, i) => i + 1),
  Float64Array.from({ length }, (_, i) => -i - 1),
];

function filled(length: number): CovariateWindow {
  const history = emptyHistory(2);
  const told = columns(length);
  for (let i = 0; i < length; i++) pushHistory(history, told, i);
  return history;
}

function at(window: CovariateWindow, number: number, lags: readonly (readonly number[])[]) {
  const out = new Float64Array(lags.flat().length);
  regressorsInto(window, lags, number, out);
  return [...out];
}

Deno.test("a history keeps the newest samples within its room, by their numbers", () => {
  for (const length of [1, 17, HISTORY_ROOM_MAX, HISTORY_ROOM_MAX + 1, HISTORY_ROOM_MAX + 700]) {
    const history = filled(length);
    assert.equal(history.first + history.count, length);
    assert.ok(history.count <= HISTORY_ROOM_MAX);
    assert.ok(history.count >= Math.min(length, BUFFER_SAMPLES_MAX + LAG_MAX));
    assert.ok(history.values.length <= 2 * HISTORY_ROOM_MAX || length < 17);
    assert.deepEqual(at(history, length - 1, [[0], [0]]), [length, -length]);
    assert.deepEqual(at(history, history.first, [[0, 1], []]), [history.first + 1, NaN]);
  }
});

Deno.test("covariateTail() goes on from a history, whose newest samples it has", () => {
  const history = filled(300);
  const tail = covariateTail(
    history,
    [Float64Array.of(7, 300, 301), Float64Array.of(7, 8, 9)],
    1,
    2,
  );
  assert.equal(tail.first, 300 - LAG_MAX);
  assert.deepEqual(at(tail, 301, [[0, 1, 2, LAG_MAX], [0, 1, 2]]), [
    ...[301, 300, 300, 302 - LAG_MAX],
    ...[9, 8, -300],
  ]);
  const alone = covariateTail(null, [Float64Array.of(5, 6)], 0, 2);
  assert.deepEqual(at(alone, 1, [[0, 1, 2]]), [6, 5, NaN]);
  assert.equal(covariateTail(filled(3), columns(0), 0, 0).first, 0);
});
