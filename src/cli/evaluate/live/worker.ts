/** The worker side of `run.ts`: a model's name and a stream in, what its forecasts came to out. */
import { subjectModel } from "../subject.ts";
import { follow } from "./follow.ts";
import type { Followed, LiveStream } from "./stream.ts";

/** A piece of work. */
export interface LiveWork {
  readonly model: string;
  readonly stream: LiveStream;
}

const scope = self as unknown as {
  onmessage: ((event: MessageEvent<{ index: number; work: LiveWork }>) => void) | null;
  postMessage(message: unknown): void;
};

function followed({ model, stream }: LiveWork): Followed {
  const opened = subjectModel(model);
  if (opened === undefined) throw new Error(`${model} is no model that serves`);
  return follow(opened, stream);
}

scope.onmessage = ({ data: { index, work } }) => {
  scope.postMessage({ index, result: followed(work) });
};
