import { createHash, type Hash } from "node:crypto";
import { uncompress } from "snappyjs";
import { LimitError, OverloadError, ProtocolError } from "../src/base/errors.ts";
import {
  BODY_BYTES_MAX,
  type Decoded,
  type DecodeOptions,
  type Protocol,
} from "../src/protocols/protocol.ts";
import { type BodyPatience, BodyWatch } from "./_body_watch.ts";
import { RequestError } from "./_problem.ts";

/** Bytes of one request body on the wire; inflated it may have `BODY_BYTES_MAX`. */
export const REQUEST_BYTES_MAX = 32 * 1024 * 1024;

/** Bytes of all bodies that are read at one time; beyond, a new one is asked to come back. */
export const REQUESTS_BYTES_MAX = 256 * 1024 * 1024;

/** Bodies up to this size are read in one go. */
const SMALL_BYTES = 256 * 1024;

/** Turns after which a body that came with its head is there: two to four as measured. */
const READY_TURNS = 8;

let bytesInFlight = 0;

/** Charges bytes of bodies in work to the common budget; `release` gives them back. */
class Charge {
  #bytes = 0;

  /** @throws {OverloadError} {@linkcode REQUESTS_BYTES_MAX} is reached */
  add(count: number): void {
    if (bytesInFlight + count > REQUESTS_BYTES_MAX) {
      throw new OverloadError(`REQUESTS_BYTES_MAX is ${REQUESTS_BYTES_MAX}, all in use`, 1);
    }
    bytesInFlight += count;
    this.#bytes += count;
  }

  release(): void {
    bytesInFlight -= this.#bytes;
    this.#bytes = 0;
  }
}

/** Passes the chunks on and counts them. @throws {LimitError} more than the limit */
async function* bounded(
  chunks: AsyncIterable<Uint8Array>,
  limitName: string,
  limit: number,
): AsyncGenerator<Uint8Array> {
  let total = 0;
  for await (const chunk of chunks) {
    total += chunk.length;
    if (total > limit) throw new LimitError(limitName, limit, total, "body");
    yield chunk;
  }
}

async function* inflated(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const source = ReadableStream.from(chunks as AsyncIterable<Uint8Array<ArrayBuffer>>);
  let offset = 0;
  try {
    for await (const chunk of source.pipeThrough(new DecompressionStream("gzip"))) {
      offset += chunk.length;
      yield chunk;
    }
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    throw new ProtocolError("gzip", offset, "Body is no whole gzip stream", "Content-Encoding");
  }
}

/** Inflates a block of Snappy, which has its length in front. */
async function* unsnapped(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const packed = await new Response(ReadableStream.from(chunks)).bytes();
  try {
    yield uncompress(packed, BODY_BYTES_MAX);
  } catch (error) {
    const declared = /of (\d+) is too big/.exec(String(error))?.[1];
    if (declared !== undefined) {
      throw new LimitError("BODY_BYTES_MAX", BODY_BYTES_MAX, Number(declared), "body");
    }
    throw new ProtocolError("snappy", 0, "Body is no block of Snappy", "Content-Encoding");
  }
}

/** How bodies may be coded, by name. */
const CODINGS: Readonly<Record<string, typeof inflated | null>> = {
  "identity": null,
  "gzip": inflated,
  "x-gzip": inflated,
  "snappy": unsnapped,
};

/** How a body is coded, and its length on the wire where that is the body's own. */
interface BodyHead {
  /** Null where it is not. */
  readonly inflate: typeof inflated | null;
  readonly length: number | null;
}

/** @throws {LimitError | RequestError} a body that is too long, or coded in an unknown way */
function readHead({ headers }: Request): BodyHead {
  const declared = headers.get("content-length");
  const length = declared === null ? null : Number(declared);
  if (length !== null && length > REQUEST_BYTES_MAX) {
    throw new LimitError("REQUEST_BYTES_MAX", REQUEST_BYTES_MAX, length, "body");
  }
  const coding = (headers.get("content-encoding") ?? "identity").trim().toLowerCase();
  const inflate = Object.hasOwn(CODINGS, coding) ? CODINGS[coding] : undefined;
  if (inflate !== undefined) return { inflate, length: inflate === null ? length : null };
  throw new RequestError(
    "unsupported-media-type",
    415,
    `Content-Encoding is "${coding.slice(0, 80)}", expected gzip, snappy or none`,
    { field: "Content-Encoding", headers: { "Accept-Encoding": "gzip, snappy" } },
  );
}

/** The body piece by piece, inflated. @throws {LimitError} more bytes than the limits */
function openBody(
  request: Request,
  watch: BodyWatch,
  { inflate }: BodyHead,
): AsyncIterable<Uint8Array> {
  const wire = bounded(received(request.body, watch), "REQUEST_BYTES_MAX", REQUEST_BYTES_MAX);
  return inflate === null ? wire : bounded(inflate(wire), "BODY_BYTES_MAX", BODY_BYTES_MAX);
}

/** The fault of a sender that leaves, or that sends less than it said: not one of our own. */
function cutShort(): RequestError {
  return new RequestError("malformed-body", 400, "The body broke off before its end");
}

/** @throws {RequestError} the body broke off or stalled */
async function* received(
  body: ReadableStream<Uint8Array> | null,
  watch: BodyWatch,
): AsyncGenerator<Uint8Array> {
  if (body === null) return;
  const reader = body.getReader();
  const fail = () => Promise.reject(cutShort());
  try {
    for (;;) {
      const { done, value } = await watch.wait(reader.read().catch(fail));
      if (done) return;
      yield value;
    }
  } finally {
    // What else comes is not wanted; of a body that is whole or broken nothing comes.
    reader.cancel().catch(() => {});
  }
}

/**
 * A body that came with its head is there within a few turns of the event loop's promises; only one
 * that is not gets a timer and an ear for the shutdown, which cost as much as reading it.
 *
 * @throws {RequestError} the body broke off, or was not whole in time
 */
async function receivedWhole(request: Request, patience: BodyPatience): Promise<Uint8Array> {
  const arriving = request.arrayBuffer().catch(() => Promise.reject(cutShort()));
  let whole: ArrayBuffer | undefined;
  // Who waits for `arriving` below is told of a failure.
  arriving.then((bytes) => whole = bytes, () => {});
  for (let turn = 0; turn < READY_TURNS && whole === undefined; turn++) await undefined;
  if (whole !== undefined) return new Uint8Array(whole);
  const watch = new BodyWatch(patience);
  try {
    return new Uint8Array(await watch.wait(arriving));
  } finally {
    watch.close();
  }
}

/** Reads a body piece by piece; nothing of it is held here. */
async function walkBody(
  request: Request,
  patience: BodyPatience,
  onChunk: (chunk: Uint8Array) => void,
): Promise<void> {
  const head = readHead(request);
  const charge = new Charge();
  try {
    if (head.length !== null && head.length <= SMALL_BYTES) {
      charge.add(head.length);
      onChunk(await receivedWhole(request, patience));
      return;
    }
    const watch = new BodyWatch(patience);
    try {
      for await (const chunk of openBody(request, watch, head)) {
        charge.add(chunk.length);
        onChunk(chunk);
      }
    } finally {
      watch.close();
    }
  } finally {
    charge.release();
  }
}

/** What a body held, and its SHA-256 where that was asked for. */
export interface DecodedRequest extends Decoded {
  readonly bodyHash: string | undefined;
}

/**
 * Decodes the body of a request as it arrives.
 *
 * @throws {ProtocolError | LimitError} nothing of the body may be used
 */
export async function decodeRequest(
  request: Request,
  protocol: Protocol,
  options: DecodeOptions & { readonly isHashed: boolean },
  patience: BodyPatience = {},
): Promise<DecodedRequest> {
  const decoder = protocol.open(options);
  const hash: Hash | undefined = options.isHashed ? createHash("sha256") : undefined;
  await walkBody(request, patience, (chunk) => {
    hash?.update(chunk);
    decoder.push(chunk);
  });
  return { ...decoder.finish(), bodyHash: hash?.digest("hex") };
}

/** Reads a whole body. @throws {LimitError} more than `limit` bytes */
export async function readBody(
  request: Request,
  limitName: string,
  limit: number,
  patience: BodyPatience = {},
): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let total = 0;
  await walkBody(request, patience, (chunk) => {
    total += chunk.length;
    if (total > limit) throw new LimitError(limitName, limit, total, "body");
    chunks.push(chunk);
  });
  if (chunks.length === 1) return chunks[0]!;
  const bytes = new Uint8Array(total);
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.length;
  }
  return bytes;
}

/** Parses a body as JSON text. @throws {ProtocolError} it is none */
export function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new ProtocolError("json", 0, `Body is no JSON: ${reason.slice(0, 200)}`);
  }
}
