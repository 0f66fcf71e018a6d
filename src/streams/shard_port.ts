import { type RemoteMethods, RemotePort, Transferred } from "../base/remote_port.ts";
import type { Commit } from "../stores/store.ts";
import type { AbsorbAnswer, PartsOf } from "./shard.ts";
import { Shard } from "./shard.ts";

/** How the engine speaks to a shard, wherever that runs. */
export interface ShardPort {
  /** Calls that wait for their answer. */
  readonly openCalls: number;
  call<T>(method: ShardMethod, argument: unknown): Promise<T>;
  close(): void;
}

/** The methods of a shard that may be called from outside. */
export type ShardMethod =
  | "setModel"
  | "modelHash"
  | "load"
  | "absorb"
  | "commit"
  | "recallAlarm"
  | "takeFeedback"
  | "describe"
  | "summarize"
  | "forecast"
  | "components"
  | "drop"
  | "rewind"
  | "endRewind"
  | "forecastOnce"
  | "detectOnce"
  | "ping";

/** A shard's methods for {@linkcode serveMethods}; packed states move instead of being copied. */
export function shardMethods(shard: Shard): RemoteMethods & Record<ShardMethod, unknown> {
  return {
    ping: () => true,
    setModel: (argument: Parameters<Shard["setModel"]>[0]) => shard.setModel(argument),
    modelHash: (argument: Parameters<Shard["modelHash"]>[0]) => shard.modelHash(argument),
    load: (argument: Parameters<Shard["load"]>[0]) => shard.load(argument),
    absorb: (argument: Parameters<Shard["absorb"]>[0]) => {
      const answer = shard.absorb(argument);
      return withCommit<AbsorbAnswer>(answer, answer.commit);
    },
    commit: (argument: Parameters<Shard["commit"]>[0]) => {
      const commit = shard.commit(argument);
      return withCommit(commit, commit);
    },
    recallAlarm: (argument: Parameters<Shard["recallAlarm"]>[0]) => shard.recallAlarm(argument),
    takeFeedback: (argument: Parameters<Shard["takeFeedback"]>[0]) => shard.takeFeedback(argument),
    describe: (argument: Parameters<Shard["describe"]>[0]) => shard.describe(argument),
    summarize: (argument: Parameters<Shard["summarize"]>[0]) => shard.summarize(argument),
    forecast: (argument: Parameters<Shard["forecast"]>[0]) => shard.forecast(argument),
    components: (argument: Parameters<Shard["components"]>[0]) => shard.components(argument),
    drop: (argument: Parameters<Shard["drop"]>[0]) => shard.drop(argument),
    rewind: (argument: Parameters<Shard["rewind"]>[0]) => shard.rewind(argument),
    endRewind: (argument: Parameters<Shard["endRewind"]>[0]) => shard.endRewind(argument),
    forecastOnce: (argument: Parameters<Shard["forecastOnce"]>[0]) => shard.forecastOnce(argument),
    detectOnce: (argument: Parameters<Shard["detectOnce"]>[0]) => shard.detectOnce(argument),
  };
}

/** Nobody here needs the packed bytes any more. */
function withCommit<T>(answer: T, commit: Commit | null): T | Transferred<unknown> {
  if (commit === null) return answer;
  return new Transferred(answer, [commit.snapshot.bytes.buffer as ArrayBuffer]);
}

/** A shard in this thread: for tests, and where threads are not wanted. */
export class LocalShardPort implements ShardPort {
  readonly #methods: RemoteMethods;
  #openCalls = 0;

  constructor(parts: PartsOf) {
    this.#methods = shardMethods(new Shard(parts));
  }

  get openCalls(): number {
    return this.#openCalls;
  }

  async call<T>(method: ShardMethod, argument: unknown): Promise<T> {
    this.#openCalls++;
    try {
      // Answers come in a later turn, as they do from a worker.
      await Promise.resolve();
      const result = this.#methods[method]!(argument as never);
      return (result instanceof Transferred ? result.value : result) as T;
    } finally {
      this.#openCalls--;
    }
  }

  close(): void {}
}

/** A shard in a worker. When the worker dies a new one takes its place, with nothing loaded. */
export class WorkerShardPort implements ShardPort {
  readonly #name: string;
  readonly #onRestart: (reason: Error) => void;
  readonly #script: URL;
  #worker: Worker;
  #port: RemotePort;
  #hasAnswered = false;

  /** @param script  the worker's module; another one only in tests */
  constructor(
    name: string,
    onRestart: (reason: Error) => void,
    script: URL = new URL("./engine_worker.ts", import.meta.url),
  ) {
    this.#name = name;
    this.#onRestart = onRestart;
    this.#script = script;
    [this.#worker, this.#port] = this.#start();
  }

  #start(): [Worker, RemotePort] {
    const worker = new Worker(this.#script, { type: "module", name: this.#name });
    const port = new RemotePort(worker);
    worker.addEventListener("error", (event) => {
      event.preventDefault();
      this.#restart(new Error(`${this.#name} failed: ${event.message}`));
    });
    return [worker, port];
  }

  #restart(reason: Error): void {
    this.#worker.terminate();
    this.#port.fail(reason);
    // A worker that never answered would fail again at once, and again.
    if (!this.#hasAnswered) return;
    this.#hasAnswered = false;
    [this.#worker, this.#port] = this.#start();
    this.#onRestart(reason);
  }

  get openCalls(): number {
    return this.#port.openCalls;
  }

  async call<T>(method: ShardMethod, argument: unknown): Promise<T> {
    const result = await this.#port.call<T>(method, argument);
    this.#hasAnswered = true;
    return result;
  }

  close(): void {
    this.#worker.terminate();
    this.#port.fail(new Error("The engine is closed"));
  }
}

/**
 * The shards of an engine, a thread each; with `parts` one in this thread.
 *
 * @param onRestart  told of a shard that lost all that it held
 */
export function openPorts(
  { parts, workers }: { readonly parts?: PartsOf; readonly workers?: number | undefined },
  onRestart: (index: number) => void,
): ShardPort[] {
  if (parts !== undefined) return [new LocalShardPort(parts)];
  // A core is left to the thread that takes requests in, the store's and the collector's: with a
  // thread a core the threads take turns, and all kinds of requests but young streams' lose.
  const count = workers ?? navigator.hardwareConcurrency - 1;
  return Array.from(
    { length: Math.max(1, count) },
    (_, index) => new WorkerShardPort(`driftline-states-${index}`, () => onRestart(index)),
  );
}
