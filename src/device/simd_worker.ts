/** A thread of {@linkcode SimdPool}: sleeps on its word, runs tasks of the round, sleeps again. */
/// <reference lib="webworker" />
import {
  controlViews,
  entriesOf,
  type PoolRound,
  type PoolStart,
  SLEEPER,
  takeTasks,
  WORD,
} from "./simd_pool.ts";

declare const self: DedicatedWorkerGlobalScope;

function serve({ module, memory, control, index }: PoolStart): void {
  const { exports } = new WebAssembly.Instance(module, { env: { memory } });
  const kernels = entriesOf(module).map((name) => exports[name] as PoolRound["kernel"]);
  const { words, args } = controlViews(control);
  const slot = WORD.sleepers + index;
  // The caller may have asked it to quit while it was starting.
  if (Atomics.compareExchange(words, slot, SLEEPER.starting, SLEEPER.idle) !== 0) return;
  for (;;) {
    Atomics.wait(words, slot, SLEEPER.idle);
    const state = Atomics.load(words, slot);
    if (state === SLEEPER.quitting) return;
    if (state !== SLEEPER.running) continue;
    try {
      const given = Array.from(args.subarray(0, words[WORD.argCount]!));
      takeTasks(words, index + 1, kernels[words[WORD.entry]!]!, given);
    } catch {
      Atomics.store(words, WORD.failed, 1);
    }
    Atomics.store(words, slot, SLEEPER.idle);
    Atomics.add(words, WORD.done, 1);
    Atomics.notify(words, WORD.done);
  }
}

self.onmessage = (event: MessageEvent<PoolStart>) => {
  serve(event.data);
  self.close();
};
