import assert from "node:assert/strict";
import { forecastCommand } from "../../src/cli/forecast.ts";
import { hourlyCsv, run, withFolder } from "./_run.ts";

async function withSeries(use: (path: string, folder: string) => Promise<void>): Promise<void> {
  await withFolder(async (folder) => {
    const path = `${folder}/in.csv`;
    await Deno.writeTextFile(path, hourlyCsv(120));
    await use(path, folder);
  });
}

Deno.test("forecast prints the next values with their intervals", async () => {
  await withSeries(async (path) => {
    const ran = await run(forecastCommand, path, "--horizon", "3", "--json", "--column", "wave");
    assert.equal(ran.code, 0, ran.error);
    const { model, channels } = JSON.parse(ran.out);
    assert.equal(model, "committee");
    assert.equal(channels.wave.periodS, 3600);
    assert.deepEqual(channels.wave.forecast.map((point: any) => point.timestamp), [
      "2026-01-06T00:00:00Z",
      "2026-01-06T01:00:00Z",
      "2026-01-06T02:00:00Z",
    ]);
    for (const [lead, { quantiles }] of channels.wave.forecast.entries()) {
      // A sine without noise that was seen five times: within a fifth of its amplitude.
      const truth = 10 + 5 * Math.sin((2 * Math.PI * lead) / 24);
      assert.ok(Math.abs(quantiles["0.5"] - truth) < 1, `${quantiles["0.5"]} for ${truth}`);
      assert.ok(quantiles["0.025"] <= quantiles["0.1"] && quantiles["0.9"] <= quantiles["0.975"]);
    }
  });
});

Deno.test("forecast knows nothing after --as-of", async () => {
  await withSeries(async (path) => {
    const asked = [path, "--horizon", "1", "--column", "wave", "--model", "mean", "--json"];
    const at = async (time: string) => await run(forecastCommand, ...asked, "--as-of", time);
    const ran = await at("2026-01-03T12:30:00Z");
    assert.equal(ran.code, 0, ran.error);
    const [point] = JSON.parse(ran.out).channels.wave.forecast;
    assert.equal(point.timestamp, "2026-01-03T13:00:00Z");
    const early = await at("2025-12-31");
    assert.equal(early.code, 1);
    assert.match(early.error, /as-of .* a time from the first sample on, 2026-01-01T00:00:00Z/);
    assert.equal((await at("2027-01-01")).out, (await run(forecastCommand, ...asked)).out);
  });
});

Deno.test("forecast keeps its values within --lower and --upper", async () => {
  await withSeries(async (path) => {
    const asked = ["--horizon", "24", "--column", "wave", "--model", "mean", "--json"];
    const bounds = async (...more: string[]) => {
      const ran = await run(forecastCommand, path, ...asked, ...more);
      assert.equal(ran.code, 0, ran.error);
      const points = JSON.parse(ran.out).channels.wave.forecast;
      const all = points.flatMap((point: any) => Object.values<number>(point.quantiles));
      return [Math.min(...all), Math.max(...all)];
    };
    const [least, most] = await bounds();
    assert.ok(least! < 5 && most! > 12, `${least} to ${most}`);
    assert.deepEqual(await bounds("--lower", "5", "--upper", "12"), [5, 12]);
    assert.equal((await run(forecastCommand, path, "--lower", "low")).code, 2);
    const twisted = await run(forecastCommand, path, "--lower", "2", "--upper", "1");
    assert.equal(twisted.code, 2);
    assert.match(twisted.error, /--upper is "1", expected more than --lower/);
  });
});

Deno.test("forecast is told seasons, and takes none of its file's options with --windows", async () => {
  await withSeries(async (path, folder) => {
    const asked = [path, "--horizon", "2", "--column", "wave", "--model", "seasonal_naive"];
    const declared = await run(forecastCommand, ...asked, "--season", "6h", "--json");
    assert.equal(declared.code, 0, declared.error);
    const { seasons, forecast } = JSON.parse(declared.out).channels.wave;
    assert.deepEqual(seasons, [21_600]);
    // Six hours before the first time that is forecast; a day before, where the day is found.
    const wave = (hour: number) => 10 + 5 * Math.sin((2 * Math.PI * hour) / 24);
    assert.ok(Math.abs(forecast[0].quantiles["0.5"] - wave(114)) < 1e-3);
    const found = JSON.parse((await run(forecastCommand, ...asked, "--json")).out).channels.wave;
    assert.ok(Math.abs(found.forecast[0].quantiles["0.5"] - wave(96)) < 1e-3);
    assert.match((await run(forecastCommand, ...asked)).out, /120 samples, seasons found: 1 d/);
    const table = await run(forecastCommand, ...asked, "--season", "6h");
    assert.match(table.out, /120 samples, seasons declared: 6 h/);
    const windows = ["--windows", `${folder}/w.jsonl`, "--output", `${folder}/o.jsonl`];
    const both = await run(forecastCommand, ...windows, "--season", "6h");
    assert.equal(both.code, 2);
    assert.match(both.error, /--season is of a file, not of --windows/);
  });
});

Deno.test("forecast prints a table for people and writes CSV", async () => {
  await withSeries(async (path, folder) => {
    const table = await run(forecastCommand, path, "--horizon", "2", "--model", "seasonal_naive");
    assert.match(table.out, /wave: 120 samples/);
    assert.match(table.out, /timestamp +median +lower80/);
    const output = `${folder}/out.csv`;
    const written = await run(
      forecastCommand,
      path,
      "--horizon",
      "2",
      "--output",
      output,
      "--model",
      "mean",
    );
    assert.deepEqual([written.code, written.out], [0, ""]);
    const rows = (await Deno.readTextFile(output)).trim().split("\n");
    assert.equal(rows.length, 1 + 2 * 2);
    assert.match(rows[1]!, /^wave,2026-01-06T00:00:00Z,/);
  });
});

Deno.test("forecast tells totals and crossings with their uncertainty", async () => {
  await withSeries(async (path) => {
    const asked = ["--horizon", "24", "--column", "wave", "--model", "structural"];
    const more = ["--aggregate", "total", "--aggregate", "max", "--window", "12"];
    const table = await run(forecastCommand, path, ...asked, ...more, "--threshold", "13");
    assert.equal(table.code, 0, table.error);
    assert.equal(table.out.match(/^total from .*Z to .*Z: [\d.]+ \(80 %: /gm)!.length, 2);
    assert.match(table.out, /^above 13: probability \S+ at any of these times, median time 2026-/m);
    const json = await run(forecastCommand, path, ...asked, ...more, "--json");
    const { wave } = JSON.parse(json.out).channels;
    assert.deepEqual(wave.aggregates.map((one: any) => one.count), [12, 12, 12, 12]);
    // Half a sine of 5 about 10 over twelve hours.
    assert.ok(Math.abs(wave.aggregates[0].median - 158) < 8, `${wave.aggregates[0].median}`);
    assert.deepEqual(wave.thresholds, []);
    const wrong: [string[], RegExp][] = [
      [["--aggregate", "sum"], /--aggregate is "sum"/],
      [["--window", "3"], /--window is of --aggregate/],
      [["--threshold", "high"], /--threshold is "high"/],
    ];
    for (const [given, message] of wrong) {
      const ran = await run(forecastCommand, path, ...asked, ...given);
      assert.equal(ran.code, 2);
      assert.match(ran.error, message);
    }
  });
});

Deno.test("forecast --windows writes a forecast a window", async () => {
  await withFolder(async (folder) => {
    const [windows, output] = [`${folder}/w.jsonl`, `${folder}/o.jsonl`];
    const context = Array.from({ length: 48 }, (_, i) => Math.sin((2 * Math.PI * i) / 24));
    const window = { id: "w1", task: "t", series: "s", freq: "h", m: 24, h: 4, context };
    await Deno.writeTextFile(windows, `${JSON.stringify(window)}\n`);
    const ran = await run(
      forecastCommand,
      "--windows",
      windows,
      "--output",
      output,
      "--json",
      "--model",
      "seasonal_naive",
    );
    assert.equal(ran.code, 0, ran.error);
    assert.equal(JSON.parse(ran.out).windows, 1);
    const line = JSON.parse(await Deno.readTextFile(output));
    assert.equal(line.id, "w1");
    assert.equal(line.q.length, 11);
    assert.ok(line.q.every((row: number[]) => row.length === 4));
  });
});

Deno.test("forecast tells wrong usage and an unknown model", async () => {
  await withSeries(async (path) => {
    assert.equal((await run(forecastCommand, path, "--horizon", "0")).code, 2);
    assert.equal((await run(forecastCommand)).code, 2);
    assert.equal((await run(forecastCommand, "--windows", path)).code, 2);
    assert.equal(
      (await run(forecastCommand, "--windows", path, "--output", "x", "--hint", "y")).code,
      2,
    );
    const unknown = await run(forecastCommand, path, "--model", "oracle");
    assert.equal(unknown.code, 2);
    assert.match(unknown.error, /--model is "oracle", expected one of committee/);
    const windows = ["--windows", path, "--output", "x", "--model", "oracle"];
    assert.equal((await run(forecastCommand, ...windows)).code, 2);
  });
});

Deno.test("forecast refuses a single sample, which tells no period", async () => {
  await withFolder(async (folder) => {
    const path = `${folder}/one.csv`;
    await Deno.writeTextFile(path, "time,wave\n2026-01-01,2\n");
    const ran = await run(forecastCommand, path);
    assert.equal(ran.code, 1);
    assert.equal(ran.error, 'Failed: samples is "1", expected at least 2 of them');
  });
});
