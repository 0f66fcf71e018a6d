import { csv } from "./csv.ts";
import { edf } from "./edf.ts";
import { json } from "./json.ts";
import { lineProtocol } from "./line_protocol.ts";
import { ndjson } from "./ndjson.ts";
import { otlp } from "./otlp.ts";
import type { Protocol } from "./protocol.ts";
import { remoteWrite } from "./remote_write.ts";
import { wav } from "./wav.ts";

/** Every protocol that ingest speaks. */
export const protocols: readonly Protocol[] = [
  json,
  ndjson,
  csv,
  lineProtocol,
  remoteWrite,
  otlp,
  edf,
  wav,
];

/** The protocol of a `Content-Type` (parameters ignored), or undefined. */
export function protocolOfMediaType(contentType: string): Protocol | undefined {
  const mediaType = contentType.split(";", 1)[0]!.trim().toLowerCase();
  return protocols.find((protocol) => protocol.mediaTypes.includes(mediaType));
}

/** The protocol of a file by the end of its name, or undefined. */
export function protocolOfFile(name: string): Protocol | undefined {
  const ending = name.slice(name.lastIndexOf(".") + 1).toLowerCase();
  return protocols.find((protocol) => protocol.fileEndings.includes(ending));
}

/** The protocol of a name, or undefined. */
export function protocolOfName(name: string): Protocol | undefined {
  return protocols.find((protocol) => protocol.name === name);
}
