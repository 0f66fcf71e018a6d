import { ProtocolError } from "../src/base/errors.ts";

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const COLON = 0x3a;
const SPACE = 0x20;
const OPENING = new Set([0x7b, 0x5b]);
const CLOSING = new Set([0x7d, 0x5d]);

interface Member {
  readonly key: string;
  /** First byte of the key's quote, first byte of the value, byte after the value. */
  readonly start: number;
  readonly valueStart: number;
  readonly end: number;
}

function skipString(bytes: Uint8Array, quote: number): number {
  for (let at = quote + 1; at < bytes.length; at++) {
    if (bytes[at] === BACKSLASH) at++;
    else if (bytes[at] === QUOTE) return at + 1;
  }
  return bytes.length;
}

/** Members of a body that are the samples' own. */
export const SAMPLE_MEMBERS = ["timestamps", "values", "channels", "id", "streams"];

const decoder = new TextDecoder();

function keyOf(bytes: Uint8Array, start: number, end: number): string {
  const text = decoder.decode(bytes.subarray(start + 1, end - 1));
  return text.includes("\\") ? "" : text;
}

/** Members of the outermost object, by bytes; null when the body is not one object of members. */
function readMembers(bytes: Uint8Array): Member[] | null {
  let at = 0;
  while (at < bytes.length && bytes[at]! <= SPACE) at++;
  if (bytes[at] !== 0x7b) return null;
  const members: Member[] = [];
  let depth = 0;
  let commaCount = 0;
  let key: { text: string; start: number } | null = null;
  let valueStart = -1;
  const finish = (end: number) => {
    if (key !== null && valueStart >= 0) {
      members.push({ key: key.text, start: key.start, valueStart, end });
    }
    key = null;
    valueStart = -1;
  };
  for (; at < bytes.length; at++) {
    const byte = bytes[at]!;
    if (byte === QUOTE) {
      const end = skipString(bytes, at);
      if (depth === 1 && key === null) key = { text: keyOf(bytes, at, end), start: at };
      at = end - 1;
    } else if (OPENING.has(byte)) {
      depth++;
    } else if (CLOSING.has(byte)) {
      if (depth === 1) finish(at);
      depth--;
    } else if (depth === 1 && byte === COLON && valueStart < 0) {
      valueStart = at + 1;
    } else if (depth === 1 && byte === COMMA) {
      commaCount++;
      finish(at);
    }
  }
  return commaCount === Math.max(0, members.length - 1) ? members : null;
}

/**
 * Parts a JSON body into the question's members and the samples' own: the first as bytes of an
 * object of their own, the second as a body of the same length, the rest blank, so that the
 * samples' decoder tells of faults at the offsets that the sender knows.
 *
 * @param names  members of the question
 * @param others  members of the samples; default: whatever there is
 * @returns null when the body is not one object of members: an array, or no JSON
 * @throws {ProtocolError} a member of the question stands there twice, or one is neither's
 */
export function splitMembers(
  bytes: Uint8Array,
  names: readonly string[],
  others?: readonly string[],
): { question: Uint8Array; samples: Uint8Array } | null {
  const members = readMembers(bytes);
  if (members === null) return null;
  const isAsked = (member: Member) => names.includes(member.key);
  const asked = members.filter(isAsked);
  refuseRepeated(asked);
  if (others !== undefined) refuseUnknown(members, [...others, ...names]);
  const question: number[] = [0x7b];
  for (const [index, member] of asked.entries()) {
    if (index > 0) question.push(COMMA);
    for (let at = member.start; at < member.end; at++) question.push(bytes[at]!);
  }
  question.push(0x7d);
  if (asked.length === 0) return { question: Uint8Array.from(question), samples: bytes };
  const samples = bytes.slice();
  for (const member of asked) samples.fill(SPACE, member.start, member.end);
  blankCommas(samples, members.filter((member) => !isAsked(member)));
  return { question: Uint8Array.from(question), samples };
}

/** The samples' decoder refuses repeated members of its own. */
function refuseRepeated(asked: readonly Member[]): void {
  const seen = new Set<string>();
  for (const { key, start } of asked) {
    if (seen.has(key)) throw new ProtocolError("json", start, `Member "${key}" is repeated`, key);
    seen.add(key);
  }
}

function refuseUnknown(members: readonly Member[], known: readonly string[]): void {
  const unknown = members.find(({ key }) => key !== "" && !known.includes(key));
  if (unknown === undefined) return;
  const { key, start } = unknown;
  const message = `Member "${key}" is unknown; known: ${known.join(", ")}`;
  throw new ProtocolError("json", start, message, key);
}

/** Leaves one comma before each member that is kept but the first. */
function blankCommas(samples: Uint8Array, kept: readonly Member[]): void {
  const open = samples.indexOf(0x7b);
  let from = open + 1;
  for (const [index, member] of kept.entries()) {
    let last = -1;
    for (let at = from; at < member.start; at++) {
      if (samples[at] !== COMMA) continue;
      samples[at] = SPACE;
      last = at;
    }
    if (index > 0 && last >= 0) samples[last] = COMMA;
    from = member.end;
  }
  for (let at = from; at < samples.length; at++) if (samples[at] === COMMA) samples[at] = SPACE;
}
