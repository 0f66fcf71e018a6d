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

/** What is looked at of a schema: its kind and its parts. */
interface Parts {
  readonly type: string;
  readonly shape?: Readonly<Record<string, z.ZodType>>;
  readonly element?: z.ZodType;
  readonly valueType?: z.ZodType;
  readonly innerType?: z.ZodType;
  readonly in?: z.ZodType;
  readonly options?: readonly z.ZodType[];
  readonly discriminator?: string;
}

/** Parts of a schema, whatever may be left out or null. */
function partsOf(schema: z.ZodType): Parts {
  const parts = schema.def as unknown as Parts;
  const inner = parts.innerType ?? (parts.type === "pipe" ? parts.in : undefined);
  return inner === undefined ? parts : partsOf(inner);
}

/** Names that the members of a value may have; none where any may. */
function namesOf(schema: z.ZodType | undefined): string[] {
  return schema === undefined ? [] : Object.keys(partsOf(schema).shape ?? {});
}

/** Of several objects that a value may be, the one that has most of its members. */
function nearestObject(options: readonly z.ZodType[], value: unknown): z.ZodType | undefined {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return undefined;
  const given = Object.keys(value);
  const known = (option: z.ZodType) => {
    const names = namesOf(option);
    return given.filter((name) => names.includes(name)).length;
  };
  const objects = options.filter((option) => namesOf(option).length > 0);
  return objects.sort((one, other) => known(other) - known(one))[0];
}

/** An issue and the part of a schema that it is about; undefined where none can be told. */
interface Located {
  readonly issue: Issue;
  readonly part: z.ZodType | undefined;
}

/** The branch of a choice that a member's value tells, or undefined. */
function toldBranch({ options = [], discriminator = "" }: Parts, value: unknown) {
  const told = valueAt(value, [discriminator]);
  return options.find((option) =>
    partsOf(option).shape?.[discriminator]?.safeParse(told).success === true
  );
}

/**
 * Finds the part of a schema that an issue is about, which zod does not tell. Where a value may be
 * one of several objects, that is the one it comes nearest to, with what is wrong with it as that.
 */
function locate(schema: z.ZodType, issue: Issue, given: unknown): Located {
  let part: z.ZodType | undefined = schema;
  for (let depth = 0; part !== undefined;) {
    const parts: Parts = partsOf(part);
    const path = issue.path.slice(0, depth);
    if (parts.options !== undefined) {
      const value = valueAt(given, path);
      if (parts.discriminator !== undefined) {
        part = toldBranch(parts, value);
        continue;
      }
      const nearest = nearestObject(parts.options, value);
      const own = nearest?.safeParse(value).error?.issues[0];
      if (nearest === undefined || own === undefined) return { part: undefined, issue };
      const inner: Located = locate(nearest, own, value);
      return { ...inner, issue: { ...inner.issue, path: [...path, ...inner.issue.path] } as Issue };
    }
    if (depth === issue.path.length) break;
    part = parts.shape?.[String(issue.path[depth])] ?? parts.element ?? parts.valueType;
    depth++;
  }
  return { part, issue };
}

/** The first fault of a value that does not follow its schema. */
function firstFault(schema: z.ZodType, first: Issue, given: unknown): Fault {
  const { part, issue } = locate(schema, first, given);
  return faultOf(issue, given, namesOf(part));
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

/** A number in quotes looks like one in a message: there it has to be said. */
function kindOf(expected: string, value: unknown): string {
  const wanted = KINDS[expected] ?? expected;
  if (typeof value === "string" && expected !== "string" && value.trim() !== "") {
    const isLike = !Number.isNaN(Number(value)) || value === "true" || value === "false";
    return isLike ? `${wanted}, not a text` : wanted;
  }
  return expected === "string" && typeof value === "number" ? `${wanted}, not a number` : wanted;
}

function expectationOf(issue: Issue, value?: unknown): string {
  // Zod's own texts begin so; those of our schemas say what is wanted.
  if (!/^(?:Invalid|Too) /.test(issue.message)) return issue.message.replace(/^expected /, "");
  switch (issue.code) {
    case "invalid_type":
      return kindOf(issue.expected, value);
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
    const names = known.length > 0 ? `, but one of ${known.join(", ")}` : "";
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
  return { field: fieldOf(issue.path), value, expectation: expectationOf(issue, value) };
}

/** A value as a message has it: JSON where its own text would not say what is in it. */
export function shownAs(value: unknown): unknown {
  return typeof value === "object" && value !== null ? JSON.stringify(value) : value;
}

/** What an issue tells as an error. */
export function errorOf(issue: Issue, given: unknown) {
  const { field, value, expectation } = faultOf(issue, given);
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
  const fault = firstFault(schema, parsed.error.issues[0]!, value);
  if (name === undefined) {
    throw new InvalidValueError(fault.field || "body", shownAs(fault.value), fault.expectation);
  }
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
