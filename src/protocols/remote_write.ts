import { ProtocolError } from "../base/errors.ts";
import { DEFAULT_CHANNEL } from "../signal/segment.ts";
import { BodyBuilder } from "../signal/segment_builder.ts";
import { TIMESTAMP_NS_MAX, TIMESTAMP_NS_MIN } from "../signal/timestamp.ts";
import { BufferedDecoder } from "./_helpers/buffered_decoder.ts";
import { MessageReader } from "./_helpers/message_reader.ts";
import { seriesName, shortenedName } from "./_helpers/series_name.ts";
import type { Decoded, Protocol } from "./protocol.ts";

const NAME = "remote_write";

/** The label that names the metric. */
const METRIC_LABEL = "__name__";

const MS_MAX = Number(TIMESTAMP_NS_MAX / 1_000_000n);
const MS_MIN = Number(TIMESTAMP_NS_MIN / 1_000_000n);

/**
 * Field numbers of `prometheus.WriteRequest` (remote write 1.0) and of the messages in it, as
 * protocol buffers tag them: number · 8 + wire type.
 */
const TAG = {
  request: { timeseries: 10, metadata: 26 },
  series: { label: 10, sample: 18, histogram: 34 },
  label: { name: 10, value: 18 },
  sample: { value: 9, timestamp: 16 },
} as const;

class RequestReader {
  readonly #reader: MessageReader;
  readonly #body = new BodyBuilder();
  #hasMetadata = false;
  #ignoredCount = 0;

  constructor(bytes: Uint8Array) {
    this.#reader = new MessageReader(bytes, NAME, "WriteRequest");
  }

  read(): Decoded {
    this.#reader.readWhole((tag) => {
      if (tag === TAG.request.timeseries) return this.#readSeries();
      this.#hasMetadata ||= tag === TAG.request.metadata;
      this.#reader.skip(tag);
    });
    const segments = this.#body.build();
    // Types and help of metrics come in requests of their own.
    if (segments.length === 0 && this.#ignoredCount === 0 && !this.#hasMetadata) {
      throw new ProtocolError(NAME, 0, "Body has no sample");
    }
    return { segments, ignoredCount: this.#ignoredCount };
  }

  #readSeries(): void {
    const labels = new Map<string, string>();
    const times: number[] = [];
    const values: number[] = [];
    this.#reader.readMessage((tag) => {
      if (tag === TAG.series.label) this.#readLabel(labels);
      else if (tag === TAG.series.sample) this.#readSample(times, values);
      else {
        if (tag === TAG.series.histogram) this.#ignoredCount++;
        this.#reader.skip(tag);
      }
    });
    const metric = labels.get(METRIC_LABEL);
    if (metric === undefined) {
      this.#reader.fail(`A series has no label ${METRIC_LABEL}`, METRIC_LABEL);
    }
    labels.delete(METRIC_LABEL);
    if (times.length === 0) return;
    const builder = this.#body.stream(shortenedName(seriesName(metric, labels)));
    const channel = builder.channelIndex(DEFAULT_CHANNEL);
    for (let i = 0; i < times.length; i++) {
      const seconds = Math.floor(times[i]! / 1_000);
      builder.beginRow(seconds, (times[i]! - 1_000 * seconds) * 1_000_000);
      builder.set(channel, values[i]!);
    }
  }

  #readLabel(labels: Map<string, string>): void {
    let name = "";
    let value = "";
    this.#reader.readMessage((tag) => {
      if (tag === TAG.label.name) name = this.#reader.text("label");
      else if (tag === TAG.label.value) value = this.#reader.text("label");
      else this.#reader.skip(tag);
    });
    if (name === "") this.#reader.fail("A label has no name", "label");
    if (labels.has(name)) this.#reader.fail(`Label "${name.slice(0, 60)}" stands twice`, name);
    labels.set(name, value);
  }

  /** What is no number, among it the mark of a series that ended, is left out. */
  #readSample(times: number[], values: number[]): void {
    let ms = 0;
    let value = 0;
    this.#reader.readMessage((tag) => {
      if (tag === TAG.sample.value) value = this.#reader.double();
      else if (tag === TAG.sample.timestamp) ms = this.#reader.int64();
      else this.#reader.skip(tag);
    });
    if (ms < MS_MIN || ms >= MS_MAX) {
      const wanted = "expected milliseconds between the years 1678 and 2261";
      this.#reader.fail(`Timestamp is ${ms}, ${wanted}`, "timestamp");
    }
    if (!Number.isFinite(value)) {
      this.#ignoredCount++;
      return;
    }
    times.push(ms);
    values.push(value);
  }
}

/**
 * Prometheus' remote write 1.0: a `prometheus.WriteRequest` of protocol buffers
 * (https://prometheus.io/docs/specs/prw/remote_write_spec), inflated.
 *
 * A series is a stream, named by metric and sorted labels (`up,instance=a:9090,job=node`); one that
 * is longer than a stream's name may be is cut and ends in `~` and 16 digits of its SHA-256. Its
 * samples are of the channel `value`. Samples that are not finite, the mark of a series that ended
 * among them, and native histograms are left out and counted; exemplars and metadata are not read.
 */
export const remoteWrite: Protocol = {
  name: NAME,
  mediaTypes: ["application/x-protobuf"],
  fileEndings: [],
  cut: "whole",
  open: () => new BufferedDecoder((bytes) => new RequestReader(bytes).read()),
};
