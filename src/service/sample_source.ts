import { z } from "zod";

/** Where the samples of a job or a backtest come from, as records keep it. */
export const sampleSource = z.discriminatedUnion("kind", [
  z.strictObject({
    kind: z.literal("stream"),
    id: z.string(),
    from: z.string().nullable(),
    to: z.string().nullable(),
  }),
  z.strictObject({ kind: z.literal("upload"), mediaType: z.string() }),
]);

/** A stream's samples between two times, or what came along with the question. */
export type SampleSource = z.infer<typeof sampleSource>;
