/** The worker side of `clean_alarms.ts`: a kind and a rate in, alarms of its streams out. */
import { type CleanWork, countCleanAlarms } from "./clean_alarms.ts";
import { DRIFTLINE } from "./detectors.ts";

const scope = self as unknown as {
  onmessage: ((event: MessageEvent<{ index: number; work: CleanWork }>) => void) | null;
  postMessage(message: unknown): void;
};

scope.onmessage = ({ data: { index, work } }) => {
  scope.postMessage({ index, result: countCleanAlarms(DRIFTLINE, work) });
};
