/** What `train --dashboard` serves: one page and the events of one training. */
import { Hono } from "hono";
import type { TrainingFeed } from "../src/service/training_feed.ts";
import { dashboard } from "./dashboard/mod.ts";
import { sendEvents, writeEvent } from "./_live.ts";
import { makeHostGuard } from "./_guard.ts";
import { problemResponse, RequestError } from "./_problem.ts";

/** The pages and events of one training. */
export function createTrainingApp(feed: TrainingFeed): Hono {
  const app = new Hono();
  const guardHost = makeHostGuard([]);
  app.use(async (c, next) => {
    guardHost(c.req.raw);
    await next();
  });
  app.get("/v1/training", (c) => c.json(feed.snapshot()));
  app.get("/v1/training/events", (c) => {
    const subscription = feed.subscribe();
    return sendEvents(c, subscription, {
      leave: () => feed.unsubscribe(subscription),
      async open(stream) {
        await writeEvent(stream, "snapshot", feed.snapshot());
        return true;
      },
    });
  });
  app.route("/", dashboard({ pages: { "/": "training.html" } }));
  app.notFound((c) => {
    const detail = `Nothing is at ${c.req.path.slice(0, 200)}`;
    return problemResponse(new RequestError("not-found", 404, detail));
  });
  app.onError((error) => problemResponse(error));
  return app;
}
