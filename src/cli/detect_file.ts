import { fnv1a32 } from "../base/hash.ts";
import { DEFAULT_FLAG_OPTIONS, type Detection, type FlagOptions } from "../detectors/detector.ts";
import { multiscale } from "../detectors/multiscale.ts";
import { type Segment, sliceSegment, timesS } from "../signal/segment.ts";
import { formatTimestamp } from "../signal/timestamp.ts";
import { decodeSeries, type FileChoice, noteDoubtfulTimes } from "./series_file.ts";

/** What to detect in which file. */
export interface DetectFileOptions extends FileChoice {
  /** Gzipped where the name ends in `.gz`. */
  readonly input: string;
  /** CSV to write. */
  readonly output: string;
  /** How alarms are told; what is absent is as by default. */
  readonly flags?: Partial<FlagOptions> | undefined;
  /** Told of times that are likely not what was meant; default: nobody is. */
  readonly note?: ((line: string) => void) | undefined;
  /** Called after each block of samples. */
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
}

/** What {@linkcode detectFile} found. */
export interface DetectFileSummary {
  readonly channels: readonly string[];
  readonly sampleCount: number;
  readonly alarmCount: number;
  /** ISO 8601, the first {@linkcode ALARMS_SHOWN_MAX}. */
  readonly alarms: readonly string[];
}

/** Alarms that a summary lists. */
export const ALARMS_SHOWN_MAX = 100;

const BLOCK_SAMPLES = 8192;

function formatScore(score: number): string {
  return String(Math.round(score * 1e6) / 1e6);
}

/** Tells of rows whose time is not after that of the row before. */
function noteStandingTimes({ timestampsNs }: Segment, note: (line: string) => void): void {
  let repeated = 0;
  let back = 0;
  let first: bigint | undefined;
  for (let row = 1; row < timestampsNs.length; row++) {
    const stepNs = timestampsNs[row]! - timestampsNs[row - 1]!;
    if (stepNs > 0n) continue;
    if (stepNs === 0n) repeated++;
    else back++;
    first ??= timestampsNs[row]!;
  }
  if (first === undefined) return;
  const rows = repeated + back === 1 ? "1 row is" : `${repeated + back} rows are`;
  note(
    `${rows} not after the row before (${repeated} repeat its time, ${back} go back), first ` +
      `${formatTimestamp(first)}: rows are scored in the file's order, each of these as one ` +
      "sampling period later",
  );
}

/**
 * Scores a file as a stream would be: each sample by itself and those before it, in the file's
 * order. Writes `timestamp,anomaly_score,flag_score,anomaly,reason`, a row a sample; `flag_score`
 * is −log10 of the chance of such an event where one opens or rises, else 0; `anomaly` is 1 where
 * an alarm opens (that chance is at most the rate of false alarms, 1e-4 unless told otherwise).
 * `note` is told of rows whose time does not advance, and of times likely meant in another unit.
 *
 * @throws {ProtocolError | LimitError} as of {@linkcode decodeSeries}
 */
export async function detectFile(options: DetectFileOptions): Promise<DetectFileSummary> {
  const segment = await decodeSeries(options.input, options);
  const note = options.note ?? (() => {});
  noteStandingTimes(segment, note);
  noteDoubtfulTimes(segment, options.precision, note);
  const total = segment.timestampsNs.length;
  const times = timesS(segment.timestampsNs, segment.timestampsNs[0]!);
  const state = multiscale.initialState({
    channels: segment.channels.length,
    seed: fnv1a32(segment.streamId),
    options: { ...DEFAULT_FLAG_OPTIONS, ...options.flags },
  });
  const output = await Deno.open(options.output, { write: true, create: true, truncate: true });
  const writer = output.writable.getWriter();
  const encoder = new TextEncoder();
  const alarms: string[] = [];
  let alarmCount = 0;
  try {
    await writer.write(encoder.encode("timestamp,anomaly_score,flag_score,anomaly,reason\n"));
    for (let start = 0; start < total; start += BLOCK_SAMPLES) {
      const end = Math.min(total, start + BLOCK_SAMPLES);
      const block = sliceSegment(segment, start, end);
      const out: Detection = {
        score: new Float64Array(end - start),
        flag: new Float64Array(end - start),
        events: [],
      };
      multiscale.absorb(state, times.subarray(start, end), block.values, out);
      const opened = new Map(
        out.events.filter(({ phase }) => phase === "open")
          .map(({ index, reason }) => [index, reason]),
      );
      let text = "";
      for (let i = 0; i < end - start; i++) {
        const timestamp = formatTimestamp(block.timestampsNs[i]!);
        const isAlarm = opened.has(i);
        const scores = `${formatScore(out.score[i]!)},${formatScore(out.flag[i]!)}`;
        text += `${timestamp},${scores},${isAlarm ? 1 : 0},${opened.get(i) ?? ""}\n`;
        if (!isAlarm) continue;
        alarmCount++;
        if (alarms.length < ALARMS_SHOWN_MAX) alarms.push(timestamp);
      }
      await writer.write(encoder.encode(text));
      options.onProgress?.(end, total);
    }
  } finally {
    await writer.close();
  }
  return { channels: segment.channels, sampleCount: total, alarmCount, alarms };
}
