import { joinList } from "../base/quoted_list.ts";
import { PORT_DEFAULT, readConfig } from "../service/config.ts";
import type { ConflictShape } from "../service/shapes.ts";
import { silentLog } from "../service/telemetry.ts";
import { protocolOfFile, protocolOfMediaType, protocols } from "../protocols/mod.ts";
import type { BodyCut } from "../protocols/protocol.ts";
import { type Command, type CommandOutput, EXIT_FAILED, EXIT_OK, UsageError } from "./command.ts";
import { openProgress } from "./progress.ts";
import { onlyFile, openFile } from "./series_file.ts";
import { type RunningService, startService } from "./start_service.ts";

/** A file is sent in parts of whole lines, each of about this many bytes. */
const PART_BYTES = 4 * 1024 * 1024;

const NEWLINE = 0x0a;

/** File endings that need no `--type`. */
const ENDINGS = protocols.flatMap(({ fileEndings }) => fileEndings.map((end) => `.${end}`))
  .join(", ");

function join(pieces: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    bytes.set(piece, at);
    at += piece.length;
  }
  return bytes;
}

/**
 * Cuts a file into bodies that each stand for themselves. Lines are cut at line ends, and the
 * first line of a CSV file goes before each part.
 */
export async function* cutBodies(
  chunks: AsyncIterable<Uint8Array>,
  cut: BodyCut,
  partBytes = PART_BYTES,
): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  let held = new Uint8Array();
  let header: Uint8Array | null = null;
  for await (const chunk of chunks) {
    held = join([held, chunk]);
    while (cut !== "whole" && held.length >= partBytes) {
      if (cut === "header" && header === null) {
        const end = held.indexOf(NEWLINE) + 1;
        if (end === 0) break;
        header = held.slice(0, end);
        held = held.slice(end);
        continue;
      }
      const end = held.lastIndexOf(NEWLINE) + 1;
      if (end === 0) break;
      yield join([header ?? new Uint8Array(), held.subarray(0, end)]);
      held = held.slice(end);
    }
  }
  if (held.length > 0) yield join([header ?? new Uint8Array(), held]);
}

/** What the service said of all parts together. */
interface ImportTotals {
  accepted: number;
  duplicates: number;
  late: number;
  rejected: number;
}

/** What the service says of one stream's samples beside their counts. */
interface ImportRemarks {
  note?: string;
  conflicts?: readonly ConflictShape[];
}

/** What the service said of a part: counts of all, and remarks of each stream. */
type ImportAnswer = ImportTotals & ImportRemarks & { streams?: readonly ImportRemarks[] };

/** Lines for people of the first of what the parts were said to hold. */
class Remarks {
  #note: string | undefined;
  #conflict: ConflictShape | undefined;

  hear(answer: ImportAnswer): void {
    for (const { note, conflicts } of [answer, ...answer.streams ?? []]) {
      this.#note ??= note;
      this.#conflict ??= conflicts?.[0];
    }
  }

  get lines(): string[] {
    const lines = this.#note === undefined
      ? []
      : [this.#note.replace("precision=", "--precision ")];
    if (this.#conflict === undefined) return lines;
    const { timestamp, channel, stored, given } = this.#conflict;
    return [
      ...lines,
      `Rejected, the first at ${timestamp}: "${channel}" is ${stored} there, and ${given} was sent`,
    ];
  }
}

function countsOf(totals: ImportTotals): string {
  return Object.entries(totals).map(([key, count]) => `${count} ${key}`).join(", ");
}

/** `import`: a file through the HTTP interface. */
export const importCommand: Command = {
  name: "import",
  summary: "Send a file to a running service, or into a data folder",
  usage: "FILE[.gz] --stream ID [--url URL | --data FOLDER]",
  description: `The format is told by the end of the file's name: ${ENDINGS}.\n` +
    "A file that was sent before is sent again without harm: known samples are duplicates.\n" +
    "DRIFTLINE_TOKEN is sent as the bearer token.",
  takesPositionals: true,
  options: {
    stream: { type: "string", value: "ID", help: "Stream of samples that do not name theirs" },
    url: {
      type: "string",
      value: "URL",
      help: `The service (default http://127.0.0.1:${PORT_DEFAULT})`,
    },
    data: { type: "string", value: "FOLDER", help: "Folder of a service that does not run" },
    type: { type: "string", value: "MEDIA", help: "Media type; default: by the file's name" },
    precision: { type: "string", value: "ms", help: "Unit of integer timestamps" },
    "timestamp-column": { type: "string", value: "NAME", help: "CSV: column of the timestamps" },
    column: {
      type: "string",
      isMultiple: true,
      value: "NAME",
      help: "CSV: column to read; may be repeated",
    },
  },
  async run(input, output) {
    const file = onlyFile(input);
    const mediaType = input.text("type") ??
      protocolOfFile(file.replace(/\.gz$/, ""))?.mediaTypes[0];
    if (mediaType === undefined) {
      throw new UsageError(`--type is missing: "${file}" ends in none of ${ENDINGS}`);
    }
    const data = input.text("data");
    if (data !== undefined && input.text("url") !== undefined) {
      throw new UsageError("--data or --url, not both");
    }
    let local: RunningService | null = null;
    try {
      local = data === undefined ? null : await openFolder(data);
    } catch (error) {
      output.note(`Cannot open "${data}": ${error instanceof Error ? error.message : error}`);
      return EXIT_FAILED;
    }
    try {
      const url = targetOf(local?.url ?? input.text("url"), input.text("stream"), {
        precision: input.text("precision"),
        timestampColumn: input.text("timestamp-column"),
        columns: joinList(input.texts("column")) || undefined,
      });
      const { totals, fault, remarks } = await sendFile(file, url, mediaType, output);
      for (const line of remarks) output.note(line);
      if (fault !== null) {
        const isSent = Object.values(totals).some((count) => count > 0);
        output.note(isSent ? `${fault}\nBefore that: ${countsOf(totals)}` : fault);
        return EXIT_FAILED;
      }
      output.print(
        input.isSet("json") ? JSON.stringify({ file, ...totals }) : `${file}: ${countsOf(totals)}`,
      );
      return EXIT_OK;
    } finally {
      // The states absorb what was sent before the folder is let go.
      await local?.close();
    }
  },
};

/** A service of its own on a folder, for as long as the file is sent. */
function openFolder(data: string): Promise<RunningService> {
  return startService(readConfig({ data, port: 0, device: "cpu" }, () => undefined), silentLog);
}

/** Sends a file part by part; `fault` says why it ended early. */
async function sendFile(
  file: string,
  url: URL,
  mediaType: string,
  output: CommandOutput,
): Promise<{ totals: ImportTotals; fault: string | null; remarks: readonly string[] }> {
  const totals: ImportTotals = { accepted: 0, duplicates: 0, late: 0, rejected: 0 };
  const remarks = new Remarks();
  let fault: string | null = `"${file}" is empty`;
  const progress = await openProgress("Sending", output.isProgressShown);
  const size = (await Deno.stat(file)).size;
  let readBytes = 0;
  const chunks = await openFile(file, (count) => {
    readBytes += count;
    progress.update(readBytes, size);
  });
  try {
    for await (const body of cutBodies(chunks, protocolOfMediaType(mediaType)?.cut ?? "whole")) {
      const answer = await send(url, mediaType, body);
      fault = typeof answer === "string" ? answer : null;
      if (typeof answer === "string") break;
      for (const key of Object.keys(totals) as (keyof ImportTotals)[]) totals[key] += answer[key];
      remarks.hear(answer);
    }
    return { totals, fault, remarks: remarks.lines };
  } finally {
    progress.stop();
  }
}

function targetOf(
  base: string | undefined,
  stream: string | undefined,
  question: Readonly<Record<string, string | undefined>>,
): URL {
  const path = stream === undefined
    ? "/v1/observations"
    : `/v1/streams/${encodeURIComponent(stream)}/observations`;
  const origin = base ?? `http://127.0.0.1:${PORT_DEFAULT}`;
  if (!URL.canParse(path, origin)) throw new UsageError(`--url is "${origin}", expected a URL`);
  const url = new URL(path, origin);
  for (const [name, value] of Object.entries(question)) {
    if (value !== undefined) url.searchParams.set(name, value);
  }
  return url;
}

/** The answer, or a text that says why there are none. */
async function send(
  url: URL,
  mediaType: string,
  body: Uint8Array<ArrayBuffer>,
): Promise<ImportAnswer | string> {
  let response: Response;
  try {
    response = await post(url, mediaType, body);
  } catch (error) {
    if (error instanceof TypeError) return `Nothing answers at ${url.origin}: ${error.message}`;
    throw error;
  }
  const answer = await response.json();
  if (response.ok) return answer as ImportAnswer;
  const remedy = answer.field === "streamId" ? "; --stream gives it" : "";
  return `${answer.title}: ${answer.detail}${remedy}`;
}

function post(url: URL, mediaType: string, body: Uint8Array<ArrayBuffer>): Promise<Response> {
  const token = Deno.env.get("DRIFTLINE_TOKEN");
  return fetch(url, {
    method: "POST",
    body,
    headers: {
      "Content-Type": mediaType,
      ...(token === undefined ? {} : { Authorization: `Bearer ${token}` }),
    },
  });
}
