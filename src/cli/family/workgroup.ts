/** What a workgroup of an entry point takes of a device, read from the expanded shader's text. */
import { invariant } from "../../base/invariant.ts";
import { type Constants, expandShader } from "../../device/wgsl.ts";

/** What one workgroup takes. */
export interface WorkgroupNeeds {
  /** Bytes of the `var<workgroup>` arrays that the entry point reaches. */
  readonly bytes: number;
  readonly invocations: number;
}

/** The text of an entry point and of all functions that it calls, directly or not. */
function reachedFrom(entry: string, text: string): string {
  const bodies = new Map(
    [...text.matchAll(/^fn (\w+)\([^]*?^}/gm)].map(([body, name]) => [name!, body]),
  );
  const reached = new Set([entry]);
  for (const name of reached) {
    for (const [word] of bodies.get(name)!.matchAll(/\w+/g)) {
      if (bodies.has(word)) reached.add(word);
    }
  }
  return [...reached].map((name) => bodies.get(name)).join("\n");
}

/** Values of the sizes that a shader writes in constants of its own and of the launch. */
function sizesOf(text: string, constants: Constants): (expression: string) => number {
  const known: Record<string, number> = {};
  for (const [name, value] of Object.entries(constants)) {
    if (Number.isInteger(value)) known[name] = value as number;
  }
  // The template's own arithmetic knows what sizes are written in.
  const valueOf = (expression: string) => {
    const plain = `value \${${expression.replaceAll(/(\d)u/g, "$1")}}`;
    return Number(expandShader("expression", known, () => plain).split("value ")[1]);
  };
  for (const [, name, value] of text.matchAll(/const ([A-Z_]+) = ([\w *\/+()]+);/g)) {
    // 1e3 and 0xff are no sizes, and the template's arithmetic does not know them.
    if (/\d[ex]/.test(value!)) continue;
    const size = valueOf(value!);
    if (Number.isInteger(size)) known[name!] = size;
  }
  return valueOf;
}

const WORDS: Readonly<Record<string, number>> = { f32: 1, u32: 1, vec2f: 2, vec4f: 4 };
const WORD_BYTES = 4;

/**
 * The needs of a workgroup.
 *
 * @param entry      name of the entry point
 * @param text       the expanded shader
 * @param constants  of the launch
 * @throws {SyntaxError} the shader has no such entry point
 */
export function workgroupNeeds(entry: string, text: string, constants: Constants): WorkgroupNeeds {
  const head = new RegExp(`@workgroup_size\\(([^)]*)\\)\\s*fn ${entry}\\(`).exec(text);
  if (head === null) throw new SyntaxError(`Shader has no entry point "${entry}"`);
  const valueOf = sizesOf(text, constants);
  const invocations = head[1]!.split(",").map(valueOf).reduce((a, b) => a * b, 1);
  const reached = reachedFrom(entry, text);
  const aliases = new Map([...text.matchAll(/alias (\w+) = (\w+);/g)].map(([, a, b]) => [a!, b!]));
  let bytes = 0;
  for (const [, variable, type] of text.matchAll(/var<workgroup> (\w+): ([^;]+);/g)) {
    if (!new RegExp(`\\b${variable}\\b`).test(reached)) continue;
    const element = type!.match(/array<(?:array<)*(\w+)/)?.[1] ?? "";
    const sizes = [...type!.matchAll(/, ([\w *\/+()]+)>/g)].map(([, size]) => valueOf(size!));
    const words = WORDS[aliases.get(element) ?? element];
    invariant(words && sizes.length > 0 && sizes.every((n) => n > 0), `a size of ${type}`);
    bytes += WORD_BYTES * words * sizes.reduce((a, b) => a * b, 1);
  }
  return { bytes, invocations };
}
