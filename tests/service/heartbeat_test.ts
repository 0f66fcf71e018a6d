import assert from "node:assert/strict";
import { nextUniform, seedRandom } from "../../src/base/random.ts";
import {
  hearArrival,
  HEARTBEAT_ARRIVALS_MIN,
  initialHeartbeat,
  isWorthKeeping,
  SILENCE_S_MIN,
  silenceOf,
  silenceSurprise,
  takeHeartbeatFeedback,
  wasMissed,
} from "../../src/service/heartbeat.ts";

/** A stream that is heard at these times, each time with a sample that is `lagS` old. */
function heardAt(timesS: readonly number[], lagS: (index: number) => number = () => 0) {
  const stream = initialHeartbeat();
  for (const [i, nowS] of timesS.entries()) {
    hearArrival(stream, { nowS, newestS: nowS - lagS(i), startedS: 0 });
  }
  return stream;
}

function regular(count: number, periodS: number): number[] {
  return Array.from({ length: count }, (_, i) => 1000 + periodS * i);
}

Deno.test("silenceSurprise() misses a regular stream after a few periods, the sooner the older", () => {
  const after = (count: number, periods: number) =>
    silenceSurprise(heardAt(regular(count, 60)), 60 * periods);
  assert.ok(after(1000, 3) < 4 && after(1000, 5) > 4);
  assert.ok(after(100, 5) < 4 && after(100, 25) > 4);
  // The first three are not known to be live.
  assert.equal(after(HEARTBEAT_ARRIVALS_MIN + 2, 1000), 0);
  assert.ok(after(HEARTBEAT_ARRIVALS_MIN + 3, 1000) > 4);
});

Deno.test("silenceSurprise() says nothing of a silence under half a minute", () => {
  const fast = heardAt(regular(1000, 0.1));
  assert.equal(silenceSurprise(fast, SILENCE_S_MIN - 1), 0);
  assert.ok(silenceSurprise(fast, SILENCE_S_MIN + 1) > 4);
});

Deno.test("silenceSurprise() keeps the wanted rate for irregular streams", () => {
  const gaps: Record<string, (u: number) => number> = {
    exponential: (u) => -60 * Math.log(u),
    "heavy, with infinite variance": (u) => 60 * u ** (-1 / 1.5),
  };
  for (const [name, gap] of Object.entries(gaps)) {
    let alarms = 0;
    let arrivals = 0;
    for (let seed = 1; seed <= 100; seed++) {
      const random = seedRandom(seed);
      const stream = initialHeartbeat();
      for (let i = 0, nowS = 0; i < 2000; i++, arrivals++) {
        const silenceS = gap(nextUniform(random) + 1e-12);
        nowS += silenceS;
        if (silenceSurprise(stream, silenceS) >= 4) alarms++;
        hearArrival(stream, { nowS, newestS: nowS, startedS: 0 });
      }
    }
    assert.ok(alarms <= 2e-4 * arrivals, `${name}: ${alarms} in ${arrivals}`);
  }
});

Deno.test("hearArrival() lets batches and nights earn patience", () => {
  const batches = heardAt(regular(500, 3600));
  assert.equal(silenceSurprise(batches, 7000), 0);
  // Ten days of samples each minute, but for eight hours a night.
  const days = Array.from({ length: 14_400 }, (_, i) => 60 * i)
    .filter((timeS) => timeS % 86_400 < 57_600);
  assert.equal(silenceSurprise(heardAt(days), 8.5 * 3600), 0);
  assert.ok(silenceSurprise(heardAt(days), 40 * 3600) > 4);
});

Deno.test("hearArrival() does not take an import for a live stream", () => {
  // A year in chunks of a day, one a second.
  const imported = heardAt(regular(365, 1), (i) => 86_400 * (364 - i));
  assert.equal(silenceSurprise(imported, 1e6), 0);
  // What comes live after it is watched at its own pace.
  for (const nowS of regular(300, 60).map((timeS) => timeS + 1000)) {
    hearArrival(imported, { nowS, newestS: nowS, startedS: 0 });
  }
  assert.ok(silenceSurprise(imported, 3600) > 4);
});

Deno.test("hearArrival() forgets a long silence after two to four weeks", () => {
  const before = regular(300, 600);
  const gap = before.at(-1)! + 86_400;
  const week = (count: number) =>
    heardAt([...before, ...Array.from({ length: count * 1008 }, (_, i) => gap + 600 * i)]);
  assert.equal(silenceSurprise(week(1), 3600), 0);
  assert.ok(silenceSurprise(week(5), 3600) > 4);
});

Deno.test("silenceOf() does not count the time before this process listened", () => {
  const stream = heardAt(regular(100, 60));
  const lastS = stream.lastS;
  assert.equal(silenceOf(stream, { nowS: lastS + 90, startedS: 0 }), 90);
  assert.equal(silenceOf(stream, { nowS: lastS + 90, startedS: lastS + 80 }), 10);
});

Deno.test("isWorthKeeping() is true for what grew by a quarter, and not for each arrival", () => {
  const stream = initialHeartbeat();
  let writes = 0;
  for (const nowS of regular(10_000, 60)) {
    hearArrival(stream, { nowS, newestS: nowS, startedS: 0 });
    if (!isWorthKeeping(stream)) continue;
    writes++;
    stream.savedCount = stream.count;
    stream.savedLongestS = stream.longestS;
  }
  assert.ok(writes > 5 && writes < 40, `${writes} writes`);
});

Deno.test("takeHeartbeatFeedback() makes a silence that was fine none to speak of, and back", () => {
  const missed = () => {
    const stream = heardAt(regular(1000, 60));
    stream.alarm = { openedNs: 0n, surprise: 4, isLearned: false, isStored: true, isFine: false };
    stream.heard = false;
    return stream;
  };
  const lastS = 1000 + 60 * 999;
  assert.ok(!wasMissed(heardAt(regular(1000, 60))) && wasMissed(missed()));
  // While it is silent: as long as it has been so far, and its alarm is over.
  const silent = missed();
  takeHeartbeatFeedback(silent, { isFine: true, nowS: lastS + 3_600, startedS: 0 });
  assert.equal(silent.alarm!.isFine, true);
  assert.equal(silenceSurprise(silent, 7_199), 0);
  assert.ok(silenceSurprise(silent, 7_201) > 3);
  takeHeartbeatFeedback(silent, { isFine: false, nowS: lastS + 3_600, startedS: 0 });
  assert.ok(silenceSurprise(silent, 3_600) > 4);
  // Afterwards: as long as it was, whatever came since; the shorter of two does not count.
  const back = missed();
  for (const nowS of [lastS + 3_600, lastS + 3_660]) {
    hearArrival(back, { nowS, newestS: nowS, startedS: 0 });
  }
  takeHeartbeatFeedback(back, { isFine: true, nowS: lastS + 9_000, startedS: 0 });
  assert.equal(back.alarm!.isFine, false);
  assert.equal(back.fineS, 3_600);
  back.alarmSilenceS = 60;
  takeHeartbeatFeedback(back, { isFine: true, nowS: lastS + 9_000, startedS: 0 });
  assert.equal(back.fineS, 3_600);
});
