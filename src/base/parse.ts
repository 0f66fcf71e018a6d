/**
 * What a user gave, read by a schema: a fault is told as field, value and what would have been
 * right, in the same plain words for bodies, queries, settings and files.
 */
import type { z } from "zod";
import { InvalidValueError } from "./errors.ts";

type Issue = z.core.$ZodIssue;

/** A part of a value that does not follow its schema. */
export interface Fault {
  /** Path from the value's beginning, as `channels.load[2]`; empty is the value itself. */
  readonly field: string;
  /** What stands there; undefined where nothing does. */
  readonly value: unknown;
  /** What would have been right, to stand behind "expected". */
  readonly expectation: string;
}

/** The value at a path of keys; undefined where there is none. */
function valueAt(value: unknown, path: readonly PropertyKey[]): unknown {
  let at = value;
  for (const key of path) {
    if (typeof at !== "object" || at === null) return undefined;
    at = (at as Record<PropertyKey, unknown>)[key];
  }
  return at;
}

/** `["a", 0, "b"]` as `a[0].b`. */
function fieldOf(path: readonly PropertyKey[]): string {
  return path.map((key, i) =>
    typeof key === "number" ? `[${key}]` : i > 0 ? `.${String(key)}` : String(key)
  ).join("");
}

const KINDS: Readonly<Record<string, string>> = {
  array: "a list",
  boolean: "true or false",
  int: "a whole number",
  number: "a number",
  object: "an object",
  record: "an object",
  string: "a text",
};

/** What is counted of a text, a list or an object. */
const COUNTED: Readonly<Record<string, string>> = {
  string: " characters",
  array: " items",
  set: " items",
  map: " items",
  object: " members",
};

function boundOf(issue: z.core.$ZodIssueTooBig | z.core.$ZodIssueTooSmall): string {
  const [bound, word] = issue.code === "too_big"
    ? [issue.maximum, issue.inclusive === false ? "less than" : "at most"]
    : [issue.minimum, issue.inclusive === false ? "more than" : "at least"];
  const counted = COUNTED[issue.origin] ?? "";
  return `${word} ${bound}${Number(bound) === 1 ? counted.replace(/s$/, "") : counted}`;
}

/** Of the branches of a union the one that comes nearest; all of them where none fits at all. */
function unionFault(issue: z.core.$ZodIssueInvalidUnion, given: unknown): Fault {
  const branches = issue.errors.map((issues) => ({ count: issues.length, first: issues[0]! }));
  const inside = branches.filter(({ first }) => first.path.length > 0)
    .sort((a, b) => a.count - b.count)[0];
  const here = valueAt(given, issue.path);
  if (inside !== undefined) {
    const fault = faultOf(inside.first, here);
    return { ...fault, field: fieldOf([...issue.path, ...inside.first.path]) };
  }
  const kinds = new Set(branches.map(({ first }) => faultOf(first, here).expectation));
  return { field: fieldOf(issue.path), value: here, expectation: [...kinds].join(" or ") };
}

function expectationOf(issue: Issue): string {
  // Zod's own texts begin so; those of our schemas say what is wanted.
  if (!/^(?:Invalid|Too) /.test(issue.message)) return issue.message.replace(/^expected /, "");
  switch (issue.code) {
    case "invalid_type":
      return KINDS[issue.expected] ?? issue.expected;
    case "invalid_value":
      return `${issue.values.length > 1 ? "one of " : ""}${issue.values.join(", ")}`;
    case "too_big":
    case "too_small":
      return boundOf(issue);
    case "invalid_key":
      return `a name of ${expectationOf(issue.issues[0]!)}`;
    default:
      return issue.message;
  }
}

/**
 * What an issue of zod's tells, in plain words.
 *
 * @param given  the value that was read
 * @param known  names that members may have, for a message about one that has another
 */
export function faultOf(issue: Issue, given: unknown, known: readonly string[] = []): Fault {
  if (issue.code === "unrecognized_keys") {
    const path = [...issue.path, issue.keys[0]!];
    const names = issue.path.length === 0 && known.length > 0
      ? `, but one of ${known.join(", ")}`
      : "";
    const expectation = `no member of this name${names}`;
    return { field: fieldOf(path), value: valueAt(given, path), expectation };
  }
  if (issue.code === "invalid_union") {
    if (issue.errors.length > 0) return unionFault(issue, given);
    const options = (issue as { options?: readonly unknown[] }).options ?? [];
    const expectation = `one of ${options.join(", ")}`;
    return { field: fieldOf(issue.path), value: valueAt(given, issue.path), expectation };
  }
  const value = valueAt(given, issue.path);
  return { field: fieldOf(issue.path), value, expectation: expectationOf(issue) };
}

/** A value as a message has it: JSON where its own text would not say what is in it. */
export function shownAs(value: unknown): unknown {
  return typeof value === "object" && value !== null ? JSON.stringify(value) : value;
}

/** The first fault of a value as an error; `known` as in {@linkcode faultOf}. */
export function errorOf(issue: Issue, given: unknown, known: readonly string[] = []) {
  const { field, value, expectation } = faultOf(issue, given, known);
  return new InvalidValueError(field || "body", shownAs(value), expectation);
}

/**
 * Reads a value by a schema.
 *
 * @param name  what the value is called: the first part of the path in a message. Without it paths
 *   begin with the value's own members, and the value itself is called "body"
 * @throws {InvalidValueError} the value does not follow the schema; the field is its path
 */
export function parseBy<T>(schema: z.ZodType<T>, value: unknown, name?: string): T {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const known = Object.keys((schema as { shape?: object }).shape ?? {});
  const issue = parsed.error.issues[0]!;
  if (name === undefined) throw errorOf(issue, value, known);
  const fault = faultOf(issue, value, known);
  const joint = fault.field === "" || fault.field.startsWith("[") ? "" : ".";
  throw new InvalidValueError(
    `${name}${joint}${fault.field}`,
    shownAs(fault.value),
    fault.expectation,
  );
}

/**
 * Runs what checks a part of a larger value, and names its fields from the whole's beginning.
 *
 * @param path  of the part
 * @throws {InvalidValueError} what `check` throws, the path before its field
 */
export function atPath<T>(path: string, check: () => T): T {
  try {
    return check();
  } catch (error) {
    if (!(error instanceof InvalidValueError)) throw error;
    throw new InvalidValueError(`${path}.${error.field}`, error.value, error.expectation);
  }
}
