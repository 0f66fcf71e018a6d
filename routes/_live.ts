import type { Context } from "hono";
import { type SSEStreamingApi, streamSSE } from "hono/streaming";
import type { Subscription } from "../src/service/events.ts";

/** A comment is sent after this long without an event, so that a dead connection shows. */
export const HEARTBEAT_MS = 15_000;

/** What a listener is told beside the events themselves. */
export interface LiveOptions {
  /** Gives the subscription back; called at least once. */
  readonly leave: () => void;
  /** Sends what comes first, and says whether events follow; default: a comment, and they do. */
  readonly open?: (stream: SSEStreamingApi) => Promise<boolean>;
}

const sayListening = async (stream: SSEStreamingApi): Promise<boolean> => {
  await stream.write(": listening\n\n");
  return true;
};

/** Writes one event as JSON. */
export async function writeEvent(
  stream: SSEStreamingApi,
  event: string,
  data: unknown,
): Promise<void> {
  await stream.writeSSE({ event, data: JSON.stringify(data) });
}

/**
 * Answers with the events of a subscription as server-sent events, until the listener leaves or the
 * subscription ends. Subscribe before what `open` sends is taken, so that nothing is missing.
 */
export function sendEvents(
  c: Context,
  subscription: Subscription,
  { leave, open = sayListening }: LiveOptions,
): Response {
  return streamSSE(c, async (stream) => {
    stream.onAbort(leave);
    try {
      if (!await open(stream)) return;
      for (;;) {
        const event = await subscription.next(HEARTBEAT_MS);
        if (event === undefined || stream.aborted) break;
        if (event === null) await stream.write(": alive\n\n");
        else await writeEvent(stream, event.kind, event.data);
      }
    } finally {
      leave();
    }
  });
}
