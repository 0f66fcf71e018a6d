import { InvalidValueError } from "../src/base/errors.ts";
import { protocolOfFile } from "../src/protocols/mod.ts";
import { parseJson, readBody, REQUEST_BYTES_MAX } from "./_body.ts";
import type { BodyPatience } from "./_body_watch.ts";
import { RequestError } from "./_problem.ts";

/** What a form of a question and a file held. */
export interface QuestionForm {
  /** The JSON of the part `question`. */
  readonly question: unknown;
  /** The part `file` as if it alone had been sent. */
  readonly file: Request;
}

async function parseForm(bytes: Uint8Array<ArrayBuffer>, contentType: string): Promise<FormData> {
  try {
    return await new Response(bytes, { headers: { "Content-Type": contentType } }).formData();
  } catch {
    throw new RequestError("malformed-body", 400, "The body is no form in parts", {
      field: "body",
    });
  }
}

/** The media type of a file: its own, or what its name says. */
function mediaTypeOf(file: File): string {
  const own = file.type.split(";")[0]!.trim();
  if (own !== "" && own !== "application/octet-stream") return file.type;
  return protocolOfFile(file.name)?.mediaTypes[0] ?? file.type;
}

/**
 * Reads a form of a question and a file (`multipart/form-data`), as browsers and `curl -F` send it.
 *
 * @throws {RequestError | ProtocolError} it is no form, or its question no JSON
 * @throws {InvalidValueError} a part is missing, unknown or of the wrong kind
 * @throws {LimitError} more than REQUEST_BYTES_MAX bytes
 */
export async function readForm(request: Request, patience: BodyPatience): Promise<QuestionForm> {
  const contentType = request.headers.get("content-type") ?? "";
  const bytes = await readBody(request, "REQUEST_BYTES_MAX", REQUEST_BYTES_MAX, patience);
  const form = await parseForm(bytes as Uint8Array<ArrayBuffer>, contentType);
  for (const name of form.keys()) {
    if (name === "question" || name === "file") continue;
    throw new InvalidValueError(name, "a part", "only the parts question and file");
  }
  const [question] = form.getAll("question");
  const [file] = form.getAll("file");
  if (question === undefined) throw new InvalidValueError("question", undefined, "a part of JSON");
  if (!(file instanceof File)) throw new InvalidValueError("file", file, "a part that is a file");
  const text = typeof question === "string" ? question : await question.text();
  return {
    question: parseJson(new TextEncoder().encode(text)),
    file: new Request(request.url, {
      method: "POST",
      headers: { "Content-Type": mediaTypeOf(file), "Content-Length": String(file.size) },
      body: await file.arrayBuffer(),
    }),
  };
}
