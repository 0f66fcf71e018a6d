import { ProtocolError } from "../base/errors.ts";
import { BodyBuilder } from "../signal/segment_builder.ts";
import { JsonReader } from "./_helpers/json_reader.ts";
import { JsonRowReader } from "./_helpers/json_row.ts";
import { RecordSplitter } from "./_helpers/record_splitter.ts";
import { NameCache, skipByteOrderMark } from "./_helpers/text.ts";
import type { Protocol } from "./protocol.ts";

const NAME = "ndjson";

/**
 * One JSON object a line, of any number of streams:
 *
 *   {"stream": "a", "timestamp": "2024-01-01T00:00:00Z", "value": 1.5}
 *   {"stream": "b", "timestamp": 1704067200000, "channels": {"x": 1, "y": null}}
 *
 * Empty lines are skipped. Integer timestamps have the option's precision, default ms.
 */
export const ndjson: Protocol = {
  name: NAME,
  mediaTypes: ["application/x-ndjson", "application/ndjson", "application/jsonl"],
  fileEndings: ["ndjson", "jsonl"],
  cut: "lines",
  precision: "ms",
  open(options) {
    const body = new BodyBuilder();
    const names = new NameCache(NAME);
    const rows = new JsonRowReader(NAME, body, options);
    const splitter = new RecordSplitter("none", (bytes, start, end, place) => {
      const from = place.offset === 0 ? skipByteOrderMark(bytes, start, end) : start;
      const reader = new JsonReader(names, bytes, {
        start: from,
        end,
        base: place.offset - start,
        where: `Line ${place.line}: `,
      });
      if (reader.peek() === -1) return;
      rows.read(reader);
      reader.expectEnd();
    });
    return {
      push: (bytes) => splitter.push(bytes),
      finish() {
        splitter.finish(NAME);
        const segments = body.build();
        if (segments.length === 0) throw new ProtocolError(NAME, 0, "Body has no sample");
        return { segments, ignoredCount: 0 };
      },
    };
  },
};
