import assert from "node:assert/strict";
import { backtestCommand } from "../../src/cli/backtest.ts";
import { forecastCommand } from "../../src/cli/forecast.ts";
import { hourlyCsv, run, withFolder } from "./_run.ts";

Deno.test("backtest shows models beside naive forecasts and peers", async () => {
  await withFolder(async (folder) => {
    const path = `${folder}/in.csv`;
    await Deno.writeTextFile(path, hourlyCsv(120));
    const args = [path, "--horizon", "6", "--origins", "2", "--model", "ar_differences"];
    const page = `${folder}/page.html`;
    const ran = await run(
      backtestCommand,
      ...args,
      "--column",
      "wave",
      "--json",
      "--html",
      page,
      "--svg",
      `${folder}/svg`,
    );
    assert.equal(ran.code, 0, ran.error);
    const { channels, origins } = JSON.parse(ran.out);
    assert.deepEqual(origins, [60, 114]);
    const names = channels[0].forecasters.map(({ name }: { name: string }) => name);
    assert.deepEqual(
      names.toSorted(),
      ["ar_differences", "augurs-ets", "augurs-mstl", "naive", "seasonal-naive"],
    );
    for (const { targetCount, failed, mae, byLead } of channels[0].forecasters) {
      assert.deepEqual([targetCount, failed], [12, 0]);
      assert.ok(mae >= 0 && byLead.length === 4);
    }
    const maes = channels[0].forecasters.map(({ mae }: { mae: number }) => mae);
    assert.deepEqual(maes, maes.toSorted((a: number, b: number) => a - b));
    for (const kind of ["windows", "errors", "coverage"]) {
      assert.match(await Deno.readTextFile(`${folder}/svg/wave_${kind}.svg`), /^<svg /);
    }
    const html = await Deno.readTextFile(page);
    assert.equal(html.match(/<svg /g)!.length, 3);
    assert.match(html, /<td>augurs-mstl<\/td>/);
  });
});

Deno.test("backtest tells the seasons that are declared to models and peers", async () => {
  await withFolder(async (folder) => {
    const path = `${folder}/in.csv`;
    await Deno.writeTextFile(path, hourlyCsv(120));
    const asked = [path, "--horizon", "6", "--origins", "2", "--column", "wave", "--json"];
    const errors = async (...more: string[]) => {
      const ran = await run(backtestCommand, ...asked, "--model", "mean", ...more);
      assert.equal(ran.code, 0, ran.error);
      const { forecasters } = JSON.parse(ran.out).channels[0];
      return forecasters.find(({ name }: { name: string }) => name === "seasonal-naive").mae;
    };
    assert.ok(await errors() < 1e-3, "the day is found, and the wave has no noise");
    assert.ok(await errors("--season", "6h") > 1, "six hours are no season of it");
    assert.equal((await run(backtestCommand, path, "--season", "day")).code, 2);
  });
});

Deno.test("backtest prints a table a channel, and says what it cannot do", async () => {
  await withFolder(async (folder) => {
    const path = `${folder}/in.csv`;
    await Deno.writeTextFile(path, hourlyCsv(96));
    const table = await run(backtestCommand, path, "--origins", "1", "--model", "mean");
    assert.equal(table.code, 0, table.error);
    assert.match(table.out, /wave\nforecaster +MAE/);
    assert.match(table.out, /flat\nforecaster/);
    assert.match(table.out, /augurs-mstl +[\d.]+ /);
    const few = await run(backtestCommand, path, "--horizon", "90");
    assert.equal(few.code, 2);
    assert.match(few.error, /at most 48: 96 samples are there/);
    const unknown = await run(backtestCommand, path, "--model", "oracle");
    assert.equal(unknown.code, 2);
    assert.match(unknown.error, /--model is "oracle", expected one of committee, /);
  });
});

Deno.test("backtest forecasts what `forecast` does from the same samples", async () => {
  await withFolder(async (folder) => {
    const lines = hourlyCsv(126).trim().split("\n");
    await Deno.writeTextFile(`${folder}/all.csv`, lines.join("\n"));
    await Deno.writeTextFile(`${folder}/known.csv`, lines.slice(0, 121).join("\n"));
    const asked = ["--column", "wave", "--horizon", "6", "--model", "ar_differences", "--json"];
    const truth = lines.slice(121).map((line) => Number(line.split(",")[1]));
    const errors: number[] = [];
    // What comes lies between 10 and 15: a bound inside of that shows in the errors.
    for (const options of [asked, [...asked, "--lower", "0", "--upper", "12"]]) {
      const tested = await run(backtestCommand, `${folder}/all.csv`, "--origins", "1", ...options);
      const forecast = await run(forecastCommand, `${folder}/known.csv`, ...options);
      const rows = JSON.parse(forecast.out).channels.wave.forecast;
      const error = rows.reduce(
        (sum: number, { quantiles }: { quantiles: Record<string, number> }, i: number) =>
          sum + Math.abs(quantiles["0.5"]! - truth[i]!) / 6,
        0,
      );
      const [own] = JSON.parse(tested.out).channels[0].forecasters
        .filter(({ name }: { name: string }) => name === "ar_differences");
      // Times are rounded to whole nanoseconds on one way and not on the other.
      assert.ok(Math.abs(own.mae - error) < 1e-6 * Math.max(1, error), `${own.mae} ${error}`);
      errors.push(error);
    }
    assert.ok(errors[1]! > 2 * errors[0]! && errors[1]! > 1, String(errors));
    const twisted = await run(backtestCommand, `${folder}/all.csv`, "--lower", "1", "--upper", "1");
    assert.equal(twisted.code, 2);
    assert.match(twisted.error, /--upper is "1", expected more than --lower/);
  });
});
