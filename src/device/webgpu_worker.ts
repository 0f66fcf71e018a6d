/**
 * The Worker that owns the GPU: reading results blocks its thread for as long as the GPU works,
 * which must never be the thread that answers requests.
 */
import { GpuUnavailableError } from "./adapter.ts";
import { GpuSession } from "./gpu_session.ts";
import type { Answer, Request } from "./protocol.ts";
import { currentThread } from "./threads.ts";

/** The part of a Worker's global scope that is used here. */
interface WorkerScope {
  postMessage(message: Answer, transfer?: Transferable[]): void;
  onmessage: ((event: MessageEvent<Request>) => void) | null;
  close(): void;
}

const scope = self as unknown as WorkerScope;
const post = (answer: Answer) => scope.postMessage(answer);

let session: GpuSession | undefined;
let generation = 0;
let queue: Promise<void> = Promise.resolve();

async function open(request: Extract<Request, { kind: "open" }>): Promise<void> {
  generation = request.generation;
  session = undefined;
  try {
    const opened = await GpuSession.open(request.fastReadback, {
      data: (id, data) => scope.postMessage({ kind: "data", request: id, data }, [data]),
      times: (id, milliseconds) => post({ kind: "times", request: id, milliseconds }),
      compiled: (id, count) => post({ kind: "compiled", request: id, count }),
      failed: (id, message) => post({ kind: "failed", request: id, message }),
      fault: (message) => post({ kind: "fault", message }),
    });
    session = opened;
    const mine = generation;
    opened.lost.then((reason) => {
      if (session === opened) session = undefined;
      post({ kind: "lost", generation: mine, reason });
    });
    post({ kind: "opened", generation, info: opened.info, limits: opened.limits });
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    const known = error instanceof GpuUnavailableError;
    post({ kind: "unavailable", reason: known ? reason : `WebGPU did not open: ${reason}` });
  }
}

async function handle(request: Request): Promise<void> {
  switch (request.kind) {
    case "open":
      return await open(request);
    case "batch":
      // Work for a device that is gone is dropped: its reads were failed when it was lost.
      if (session && request.generation === generation) {
        await session.run(request.commands, request.numbers);
      }
      return;
    case "lose":
      return session?.lose();
    case "close":
      await session?.close();
      session = undefined;
      post({ kind: "closed" });
      return scope.close();
    default:
      request satisfies never;
  }
}

post({ kind: "started", thread: currentThread() });
scope.onmessage = (event) => {
  const request = event.data;
  queue = queue.then(() => handle(request));
};
