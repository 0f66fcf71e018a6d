/**
 * One side of a comparison: a process that times scenarios of the tree it lies in, as it is told on
 * its standard input, a line of JSON each: `{"name", "repeats"}`. It answers in lines, too: first
 * who it is, then for each request the least time on each device, or why there is none.
 */
import { systemClock } from "../src/base/clock.ts";
import { ARGS } from "./args.ts";
import { openCpu, openScope, openWebGpu, type WebGpuDevice } from "../src/device/mod.ts";
import { measureCeilings } from "./ceilings.ts";
import type { Scenario } from "./scenario.ts";
import { largeScenarios, smallScenarios } from "./scenarios.ts";
import { type SpinUp, timeLaunches } from "./timing.ts";

/** What a side says first. */
export interface Greeting {
  readonly adapter: string;
  readonly software: boolean;
  readonly names: readonly string[];
}

/** Least milliseconds by device, or why there are none. */
export interface SideTimes {
  readonly least: Readonly<Record<string, number>>;
  readonly problem?: string;
}

/** A scenario made ready: each device gives its least time of some repeats. */
type Ready = Readonly<Record<string, (repeats: number) => Promise<number>>>;

const cpu = openCpu();

function readyOnCpu(scenario: Scenario): Ready {
  if (scenario.onCpu === undefined) return {};
  const run = scenario.onCpu(cpu);
  // Untimed: the engine compiles.
  run();
  return {
    cpu(repeats) {
      let least = Infinity;
      for (let i = 0; i < repeats; i++) {
        const start = systemClock.monotonicMs();
        run();
        least = Math.min(least, systemClock.monotonicMs() - start);
      }
      return Promise.resolve(least);
    },
  };
}

function readyOnGpu(gpu: WebGpuDevice, spin: SpinUp | undefined, scenario: Scenario) {
  const scope = openScope(gpu);
  if (scope.kind !== "webgpu") throw new TypeError("the scope of a GPU is a GPU");
  const launches = scenario.launches(scope);
  const ready: Ready = {
    gpu: async (repeats) => (await timeLaunches(gpu, launches, spin, repeats)).leastMs,
  };
  return { ready, release: () => scope.release() };
}

async function main(): Promise<void> {
  const say = (answer: Greeting | SideTimes) => console.log(JSON.stringify(answer));
  const opened = await openWebGpu();
  const gpu = "device" in opened && opened.device.info.timestamps ? opened.device : undefined;
  const software = gpu?.info.software ?? true;
  const isLarge = ARGS.includes("large");
  const scenarios = isLarge ? largeScenarios() : smallScenarios();
  const spin = gpu ? (await measureCeilings(gpu)).spin : undefined;
  say({
    adapter: gpu?.info.description || gpu?.info.device || "none",
    software,
    names: scenarios.map(({ name }) => name),
  });
  let current: { name: string; ready: Ready; release(): void } | undefined;
  for await (const line of lines()) {
    const { name, repeats } = JSON.parse(line) as { name: string; repeats: number };
    try {
      if (current?.name !== name) {
        current?.release();
        const scenario = scenarios.find((candidate) => candidate.name === name)!;
        const onGpu = gpu && readyOnGpu(gpu, spin, scenario);
        const ready = { ...(isLarge ? {} : readyOnCpu(scenario)), ...onGpu?.ready };
        current = { name, ready, release: () => onGpu?.release() };
      }
      const least: Record<string, number> = {};
      for (const [device, time] of Object.entries(current.ready)) {
        least[device] = await time(repeats);
      }
      say({ least });
    } catch (error) {
      say({ least: {}, problem: error instanceof Error ? error.message : String(error) });
    }
  }
  await gpu?.close();
}

async function* lines(): AsyncGenerator<string> {
  let rest = "";
  for await (const text of Deno.stdin.readable.pipeThrough(new TextDecoderStream())) {
    const parts = (rest + text).split("\n");
    rest = parts.pop()!;
    yield* parts;
  }
}

if (import.meta.main) await main();
