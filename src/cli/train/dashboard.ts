import { createTrainingApp } from "../../../routes/app.ts";
import type { TrainingFeed } from "../../service/training_feed.ts";

/** Time that watchers get to read how a training ended. */
const FAREWELL_MS = 500;

/** Serves the page of a training on loopback. */
export interface TrainingDashboard {
  readonly url: string;
  close(): Promise<void>;
}

/**
 * Starts the page of a training.
 *
 * @param port 0 lets the system choose a free one
 * @throws {Deno.errors.AddrInUse} the port is taken
 */
export function serveTraining(port: number, feed: TrainingFeed): TrainingDashboard {
  const app = createTrainingApp(feed);
  const server = Deno.serve(
    { hostname: "127.0.0.1", port, onListen: () => {} },
    (request) => app.fetch(request),
  );
  return {
    url: `http://127.0.0.1:${server.addr.port}`,
    async close() {
      let timer: ReturnType<typeof setTimeout> | undefined;
      const late = new Promise<void>((resolve) => {
        timer = setTimeout(resolve, FAREWELL_MS);
      });
      await Promise.race([server.shutdown(), late]);
      clearTimeout(timer);
    },
  };
}
