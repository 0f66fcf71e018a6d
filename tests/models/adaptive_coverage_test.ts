import assert from "node:assert/strict";
import {
  adaptiveObserve,
  adaptiveStart,
  type AdaptiveState,
  FAR_RISE_MAX,
  LOG_FACTOR_AT_ONCE,
  TARGET,
  WATCHED_LEVELS,
  widthFactor,
} from "../../src/models/adaptive_coverage.ts";
import { bucketOfLead } from "../../src/models/losses.ts";
import { modelNamed } from "../../src/models/mod.ts";
import { channel, HOUR_S, noise } from "./_series.ts";

/** Half widths of the standard normal's central intervals. */
const HALF_WIDTHS = [1.2816, 1.96];

/** Where a draw lies in an interval around 0, in half widths of its side. */
function positionOf(draw: number, lower: number, upper: number): number {
  return draw < 0 ? -draw / lower : draw / upper;
}

/** {@linkcode adaptiveObserve} of a target that counts whole, or its share. */
function observe(
  state: AdaptiveState,
  levelIndex: number,
  bucket: number,
  position: number,
  width = 1,
  share = 1,
): void {
  const target = new Float64Array(TARGET.size);
  target[TARGET.position] = position;
  target[TARGET.share] = share;
  target[TARGET.width] = width;
  adaptiveObserve(state, levelIndex, bucket, target);
}

Deno.test("adaptiveObserve() brings intervals of a wrong width to their level", () => {
  for (const claimed of [0.6, 1.6]) {
    const state = adaptiveStart();
    const hits = [0, 0];
    const draws = noise(6000, 3);
    draws.forEach((draw, i) => {
      WATCHED_LEVELS.forEach((level, k) => {
        const half = claimed * HALF_WIDTHS[k]!;
        const lower = -half * widthFactor(state, 0, 0.5 - level / 2);
        const upper = half * widthFactor(state, 0, 0.5 + level / 2);
        const position = positionOf(draw, lower, upper);
        observe(state, k, 0, position);
        if (i >= 3000 && Math.abs(position) <= 1) hits[k] = hits[k]! + 1;
      });
    });
    // Three standard errors of a share over 3,000 draws: 0.022 and 0.012.
    assert.ok(Math.abs(hits[0]! / 3000 - 0.8) < 0.022, `${hits[0]}`);
    assert.ok(Math.abs(hits[1]! / 3000 - 0.95) < 0.012, `${hits[1]}`);
    assert.equal(state.seen[0], 6000);
  }
});

Deno.test("adaptiveObserve() brings each side of a lopsided error to half of what is left", () => {
  const state = adaptiveStart();
  const missed = [0, 0];
  const draws = noise(8000, 5);
  draws.forEach((draw, i) => {
    // Three times as far above the median as below.
    const error = draw > 0 ? 3 * draw : draw;
    const lower = -2 * HALF_WIDTHS[0]! * widthFactor(state, 0, 0.1);
    const upper = 2 * HALF_WIDTHS[0]! * widthFactor(state, 0, 0.9);
    const position = positionOf(error, lower, upper);
    observe(state, 0, 0, position);
    if (i < 4000 || Math.abs(position) <= 1) return;
    if (position < 0) missed[0]!++;
    else missed[1]!++;
  });
  // Three standard errors of a share of 0.1 over 4,000 draws: 0.014.
  for (const count of missed) assert.ok(Math.abs(count / 4000 - 0.1) < 0.014, `${missed}`);
  assert.ok(widthFactor(state, 0, 0.9) > 2 * widthFactor(state, 0, 0.1));
});

Deno.test("adaptiveStart() has both sides a little wider than was fitted, most far out", () => {
  const state = adaptiveStart();
  for (const bucket of [0, 1, 2]) {
    assert.equal(widthFactor(state, bucket, 0.1), Math.exp(0.03));
    assert.equal(widthFactor(state, bucket, 0.9), Math.exp(0.03));
    assert.equal(widthFactor(state, bucket, 0.975), Math.exp(0.09));
  }
  const atOnce = adaptiveStart(LOG_FACTOR_AT_ONCE);
  assert.equal(widthFactor(atOnce, 2, 0.1), 1);
  assert.equal(widthFactor(atOnce, 2, 0.975), Math.exp(0.07));
});

Deno.test("adaptiveObserve() takes the far misses of one event for one", () => {
  const start = widthFactor(adaptiveStart(), 0, 0.9);
  const grown = (state: AdaptiveState) => Math.log(widthFactor(state, 0, 0.9) / start);
  const state = adaptiveStart();
  for (let i = 0; i < 100; i++) observe(state, 0, 0, 8);
  assert.ok(Math.abs(grown(state) - FAR_RISE_MAX) < 1e-12, `${grown(state)}`);
  // 40 targets inside lower the factor by 0.12 and make room for another event.
  for (let i = 0; i < 40; i++) observe(state, 0, 0, 0.5);
  for (let i = 0; i < 100; i++) observe(state, 0, 0, Infinity);
  assert.ok(Math.abs(grown(state) - (2 * FAR_RISE_MAX - 0.12)) < 1e-12, `${grown(state)}`);
  // Those that count less leave a smaller trace, and never more room than there is.
  const partly = adaptiveStart();
  for (let i = 0; i < 100; i++) observe(partly, 0, 0, 8, 1, 0.25);
  assert.ok(Math.abs(grown(partly) - FAR_RISE_MAX / 4) < 1e-12, `${grown(partly)}`);
  // Near misses count one by one.
  const near = adaptiveStart();
  for (let i = 0; i < 40; i++) observe(near, 0, 0, 2);
  assert.ok(Math.abs(grown(near) - 40 * 0.027) < 1e-12, `${grown(near)}`);
});

Deno.test("adaptiveObserve() keeps the mean of the first widths, and forgets old ones", () => {
  const state = adaptiveStart();
  assert.ok(Number.isNaN(state.width[0]!));
  const take = (width: number) => {
    observe(state, 0, 0, 0, width);
  };
  for (const width of [1, 2, 6]) take(width);
  assert.ok(Math.abs(state.width[0]! - 3) < 1e-12, `${state.width}`);
  for (let i = 0; i < 6000; i++) take(10);
  assert.ok(Math.abs(state.width[0]! - 10) < 1e-3, `${state.width}`);
});

Deno.test("widthFactor() keeps sides, buckets and levels apart, and interpolates levels", () => {
  const start = adaptiveStart();
  const state = adaptiveStart();
  for (let i = 0; i < 50; i++) observe(state, 0, 1, -1.5);
  const moved = (bucket: number, quantile: number) =>
    widthFactor(state, bucket, quantile) / widthFactor(start, bucket, quantile);
  assert.ok(moved(1, 0.1) > 2);
  assert.ok(moved(1, 0.9) < 1);
  assert.equal(moved(1, 0.025), 1);
  assert.equal(moved(0, 0.1), 1);
  const between = moved(1, 0.5 - 0.875 / 2);
  assert.ok(between > 1 && between < moved(1, 0.1));
});

/** Standard deviation of the live factors' logarithms at the far leads over random walks.     [side] */
function wanderOf(walks: number, length: number, horizon: number): number[] {
  const model = modelNamed("structural");
  const far = horizon - 1;
  const times = Float64Array.from({ length }, (_, i) => i * HOUR_S);
  const squares = [0, 0];
  const bucket = bucketOfLead(horizon)[far]!;
  for (let walk = 0; walk < walks; walk++) {
    let level = 0;
    const values = noise(length, 50 + walk).map((step) => level += step);
    const state = model.initialState(channel({ horizon }));
    model.absorb(state, times, values);
    [0.1, 0.9].forEach((quantile, side) => {
      const start = widthFactor(adaptiveStart(), bucket, quantile);
      const moved = Math.log(widthFactor(state.adaptive, bucket, quantile) / start);
      squares[side] = squares[side]! + moved * moved / walks;
    });
  }
  return squares.map(Math.sqrt);
}

Deno.test("adaptiveObserve() hastens where intervals have held too few, and not by chance", () => {
  // Every second target misses on one side, where every tenth should: each counts an eighth.
  const state = adaptiveStart([-0.6, -0.6]);
  const grown = [0, 0].map(() => {
    const before = Math.log(widthFactor(state, 0, 0.9));
    for (let i = 0; i < 300; i++) observe(state, 0, 0, i % 2 === 0 ? 2 : 0, 1, 1 / 8);
    return Math.log(widthFactor(state, 0, 0.9)) - before;
  });
  const usual = 300 * 0.03 / 8 * (0.5 - 0.1);
  assert.ok(Math.abs(grown[0]! - usual) < 1e-9, `${grown} ${usual}`);
  assert.ok(grown[1]! > 3 * usual, `${grown} ${usual}`);
});

Deno.test("live factors at far leads do not follow the luck of a few origins", () => {
  // Of 600 values there are 12 horizons: counted whole, their leads move the factors by 0.4.
  for (const wander of wanderOf(12, 600, 48)) assert.ok(wander > 0 && wander < 0.2, `${wander}`);
});

const DAY = 24;
const CHANGE = 620;

/** Hourly values with a day; `valueAt` may change them, and NaN is no sample. */
function hourly(valueAt: (t: number, usual: number) => number): (t: number) => number {
  const draws = noise(1000, 7);
  return (t) => valueAt(t, 50 + 10 * Math.sin(2 * Math.PI * t / DAY) + 2 * draws[t]!);
}

/** Mean width of the 80 % interval over the next day, after each of some counts of hours. */
function widthsAt(valueAt: (t: number) => number, hours: readonly number[]): number[] {
  const model = modelNamed("committee");
  const state = model.initialState(channel({ horizon: DAY }));
  const widths: number[] = [];
  let from = 0;
  for (const until of hours) {
    const count = until - from;
    const times = Float64Array.from({ length: count }, (_, i) => (from + i) * HOUR_S);
    model.absorb(state, times, Float64Array.from(times, (_, i) => valueAt(from + i)));
    const next = Float64Array.from({ length: DAY }, (_, l) => (until + l) * HOUR_S);
    const rows = model.forecast(state, next, Float64Array.of(0.1, 0.9));
    let sum = 0;
    for (let l = 0; l < DAY; l++) sum += rows[2 * l + 1]! - rows[2 * l]!;
    widths.push(sum / DAY);
    from = until;
  }
  return widths;
}

Deno.test("a level shift widens intervals at once, and leaves them wide for days only", () => {
  const shifted = hourly((t, usual) => usual + (t >= CHANGE ? 40 : 0));
  const days = [0, 1, 4, 12].map((day) => CHANGE + 10 + day * DAY);
  const [before, ...after] = widthsAt(shifted, [CHANGE, ...days]);
  const ratios = after.map((width) => width / before!);
  // 40 is 20 deviations of the noise: forecasts miss it altogether at first.
  assert.ok(ratios[0]! > 2 && ratios[1]! > 2, `${ratios}`);
  assert.ok(ratios[2]! < 2.3, `${ratios}`);
  assert.ok(ratios[3]! < 1.6, `${ratios}`);
});

Deno.test("an outage does not shrink intervals, whether samples are missing or not sent", () => {
  const until = CHANGE + 6 * DAY;
  const isOut = (t: number) => t >= CHANGE && t < until;
  const [before, after, later] = widthsAt(
    hourly((t, usual) => isOut(t) ? NaN : usual),
    [CHANGE, until + 1, until + 4 * DAY],
  );
  assert.ok(after! > 0.9 * before!, `${after} after ${before}`);
  assert.ok(later! > 0.75 * before! && later! < 1.25 * before!, `${later} after ${before}`);
});

Deno.test("a stuck value of some days does not leave intervals too narrow", () => {
  const until = CHANGE + 6 * DAY;
  const stuckAt = 53;
  const [before, , after] = widthsAt(
    hourly((t, usual) => t >= CHANGE && t < until ? stuckAt : usual),
    [CHANGE, until, until + 2 * DAY],
  );
  assert.ok(after! > 0.9 * before!, `${after} after ${before}`);
});
