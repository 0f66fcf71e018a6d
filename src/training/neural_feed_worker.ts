/** The worker side of `neural_feed.ts`: an index and a buffer in, the minibatch in it out. */
import { assembleBatch, batchOn } from "./neural_batch.ts";
import type { FeedAnswer, FeedOrder, FeedSetting } from "./neural_feed.ts";

const scope = self as unknown as {
  onmessage: ((event: MessageEvent<FeedSetting | FeedOrder>) => void) | null;
  postMessage(message: FeedAnswer, transfer: Transferable[]): void;
};

let setting: FeedSetting | undefined;

scope.onmessage = ({ data }) => {
  if ("source" in data) {
    setting = data;
    return;
  }
  const { index, buffer } = data;
  try {
    const { source, seed, sizes } = setting!;
    assembleBatch(source, seed, index, sizes, batchOn(sizes, buffer));
    scope.postMessage({ index, buffer }, [buffer]);
  } catch (error) {
    scope.postMessage({ index, buffer, error }, [buffer]);
  }
};
