/** The service as a process that is killed in the middle of a job. */
import assert from "node:assert/strict";
import { ManualClock } from "../../src/base/clock.ts";
import { builtInModels, inspectNetwork } from "../../src/service/built_in_models.ts";
import type { JobShape } from "../../src/service/job_shape.ts";
import { TrainedModels } from "../../src/service/models.ts";
import { silentLog } from "../../src/service/telemetry.ts";
import { smallNetwork } from "./_network.ts";

const MAIN = new URL("../../main.ts", import.meta.url).pathname;

/** Puts a small network into a data folder, as a job would have. */
async function putNetwork(folder: string): Promise<void> {
  const models = new TrainedModels({
    folder: `${folder}/models`,
    builtIn: builtInModels(new Map()),
    inspect: inspectNetwork,
    serve: () => Promise.resolve(),
    log: silentLog,
    clock: new ManualClock(),
  });
  await models.load();
  await models.add("small", smallNetwork(), { base: "none", job: "none" });
}

/** A service in a process of its own. */
class Process {
  readonly #child: Deno.ChildProcess;
  readonly url: string;

  private constructor(child: Deno.ChildProcess, url: string) {
    this.#child = child;
    this.url = url;
  }

  static async start(folder: string): Promise<Process> {
    const child = new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--no-check", MAIN, "serve", "--json", "--port", "0"],
      env: {
        DRIFTLINE_DATA: folder,
        DRIFTLINE_WORKERS: "1",
        DRIFTLINE_DEVICE: "cpu",
        DRIFTLINE_LOG_LEVEL: "error",
      },
      stdout: "piped",
      stderr: "inherit",
    }).spawn();
    const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
    const { value } = await reader.read();
    reader.cancel().catch(() => {});
    return new Process(child, JSON.parse(value!).url);
  }

  async end(signal: "SIGKILL" | "SIGTERM"): Promise<void> {
    this.#child.kill(signal);
    await this.#child.status;
  }

  async get(path: string): Promise<any> {
    return await (await fetch(`${this.url}${path}`)).json();
  }

  async send(method: string, path: string, body: unknown): Promise<any> {
    const headers = { "Content-Type": "application/json" };
    const response = await fetch(`${this.url}${path}`, {
      method,
      headers,
      body: JSON.stringify(body),
    });
    assert.ok(response.ok, `${path}: ${response.status} ${await response.clone().text()}`);
    return await response.json();
  }

  /** The last event of a job. */
  async endOf(id: string): Promise<JobShape> {
    const text = await (await fetch(`${this.url}/v1/jobs/${id}/events`)).text();
    const last = text.trim().split("\n\n").at(-1)!;
    assert.match(last, /^event: end\n/);
    return JSON.parse(/^data: (.*)$/m.exec(last)![1]!);
  }
}

/** Values of three days, an hour apart, two channels. */
function samples() {
  const timestamps = Array.from({ length: 240 }, (_, i) => 3_600_000 * i);
  const wave = (shift: number) =>
    timestamps.map((_, i) => 5 + Math.sin(2 * Math.PI * (i + shift) / 24) + (i * 7 % 5) / 10);
  return { timestamps, channels: { a: wave(0), b: wave(6) } };
}

const QUESTION = {
  ...{ name: "mine", base: "small", stream: "plant" },
  ...{ steps: 60, rate: 3e-3, seed: 4, batch: 2, length: 48 },
};

Deno.test("a job outlives a killed process; its model is that of an uninterrupted one", async () => {
  const folders = [await Deno.makeTempDir(), await Deno.makeTempDir()];
  try {
    for (const folder of folders) await putNetwork(folder);
    const [killed, whole] = folders as [string, string];

    const first = await Process.start(killed);
    await first.send("POST", "/v1/streams/plant/observations", samples());
    const { id } = await first.send("POST", "/v1/models", QUESTION);
    let step = 0;
    while (step < 10) {
      const job: JobShape = await first.get(`/v1/jobs/${id}`);
      assert.equal(job.state, "running", job.error ?? "");
      step = job.step;
    }
    await first.end("SIGKILL");
    assert.ok(step < QUESTION.steps, "the job was over too soon for this test");
    const second = await Process.start(killed);
    const resumed = await second.endOf(id);
    assert.equal(resumed.state, "finished", resumed.error ?? "");

    const other = await Process.start(whole);
    await other.send("POST", "/v1/streams/plant/observations", samples());
    const { id: otherId } = await other.send("POST", "/v1/models", QUESTION);
    const uninterrupted = await other.endOf(otherId);
    assert.equal(resumed.modelHash, uninterrupted.modelHash);
    assert.deepEqual(resumed.evaluations, uninterrupted.evaluations);
    assert.ok(resumed.heldOut!.after < resumed.heldOut!.before, JSON.stringify(resumed.heldOut));
    await other.end("SIGTERM");

    // The model serves, and still does after another restart.
    await second.send("PUT", "/v1/streams/next", { model: "mine" });
    await second.send("POST", "/v1/streams/next/observations?wait=applied", samples());
    const forecast = await second.get("/v1/streams/next/forecast?horizon=3");
    assert.equal(forecast.forecast.length, 3);
    await second.end("SIGTERM");
    const third = await Process.start(killed);
    const again = await third.get("/v1/streams/next/forecast?horizon=3");
    assert.deepEqual(again.forecast, forecast.forecast);
    assert.equal(again.provenance.modelHash, forecast.provenance.modelHash);
    await third.end("SIGTERM");
  } finally {
    for (const folder of folders) await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("a backtest is told of after its process was killed, finished or not", async () => {
  const folder = await Deno.makeTempDir();
  const values = Array.from({ length: 120 }, (_, i) => i % 7);
  const samples = { timestamps: values.map((_, i) => i * 60_000), channels: { value: values } };
  try {
    const first = await Process.start(folder);
    const ask = (horizon: number) =>
      first.send("POST", "/v1/backtest", { ...samples, horizon, origins: 2, models: ["mean"] });
    const { id } = await ask(3);
    while ((await first.get(`/v1/backtests/${id}`)).state !== "finished") {
      await new Promise((go) => setTimeout(go, 20));
    }
    const { progress: _, ...told } = await first.get(`/v1/backtests/${id}`);
    const cut = (await ask(5)).id;
    await first.end("SIGKILL");
    const second = await Process.start(folder);
    const { progress: __, ...found } = await second.get(`/v1/backtests/${id}`);
    assert.deepEqual(found, told);
    const page = await fetch(`${second.url}/v1/backtests/${id}/page`);
    assert.match(await page.text(), /^<!doctype html>/);
    while ((await second.get(`/v1/backtests/${cut}`)).state !== "finished") {
      await new Promise((go) => setTimeout(go, 20));
    }
    assert.equal((await second.get(`/v1/backtests/${cut}`)).report.horizon, 5);
    await second.end("SIGTERM");
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
