import { createRoute, type OpenAPIHono, z } from "@hono/zod-openapi";
import type { Service } from "../src/service/service.ts";
import { REWIND_VALUES_MAX } from "../src/streams/rewind.ts";
import { jsonAnswer, newRoutes, problems, query, streamParams, wholeNumber } from "./_schemas.ts";

const HASH = /^[0-9a-f]{64}$/;

const getRoute = createRoute({
  method: "get",
  path: "/v1/streams/{id}/proof",
  summary: "Replays the log and tells whether a state is what the log makes it",
  description: "The state is a function of the settings, of the samples in order and of what was " +
    "said of alarms. Without parameters the present state is proven; with those of a " +
    "provenance the state that a forecast or an alarm came from. " +
    `At most ${REWIND_VALUES_MAX} values, missing ones included.`,
  request: {
    params: streamParams,
    query: query({
      appliedOffset: wholeNumber(1, Number.MAX_SAFE_INTEGER).optional().openapi({
        description: "In-order samples that the state had absorbed",
      }),
      stateHash: z.string().regex(HASH, "64 hexadecimal digits").optional(),
    }),
  },
  responses: {
    200: jsonAnswer(
      z.object({
        id: z.string(),
        proven: z.boolean(),
        appliedOffset: z.int(),
        timestamp: z.string().openapi({ description: "Of the last sample that it had absorbed" }),
        modelHash: z.string().openapi({ description: "Of model and settings, as they are now" }),
        stateHash: z.string().openapi({ description: "As it was told" }),
        replayedHash: z.string().openapi({ description: "As the log makes it" }),
      }).openapi("Proof"),
      "Whether the hashes are equal",
    ),
    ...problems(400, 404, 413, 422, 503),
  },
});

/** Proof that states are what their logs make them. */
export function proofRoutes(service: Service): OpenAPIHono {
  const routes = newRoutes();
  routes.openapi(getRoute, async (c) => {
    return c.json(await service.prove(c.req.valid("param").id, c.req.valid("query")), 200);
  });
  return routes;
}
