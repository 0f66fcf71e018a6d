/** The worker side of `forecast_windows.ts`: one window in, its forecast out. */
import { serveShippedWeights } from "../service/weights.ts";
import { forecastWindow, type WindowTask } from "./window_forecast.ts";

const scope = self as unknown as {
  onmessage: ((event: MessageEvent<{ index: number; work: WindowTask }>) => void) | null;
  postMessage(message: unknown): void;
};

serveShippedWeights();

scope.onmessage = ({ data: { index, work } }) => {
  scope.postMessage({ index, result: forecastWindow(work) });
};
