/**
 * The one template step between a readable shader file and the WGSL that is compiled.
 *
 *   #import shared/NAME        the text of another file, once
 *   #if EXPR … #else … #end    kept or dropped by the constants
 *   #for i in LOW..HIGH … #end repeated for i = LOW … HIGH−1 (GPUs want it unrolled, people do not)
 *   #loop i in LOW..HIGH … #end  the same, but a loop of the shader where the constant ROLLED
 *                              is not 0: compilers take minutes over what is too long written out
 *   ${EXPR}                    the value of an expression, also inside a name: x${i}
 *
 * Expressions know integers, the constants, the loop variables, `+ − * / %` (division rounds down),
 * comparisons, `&& || !` and parentheses. Every number among the constants also becomes a WGSL
 * `const` of type u32, so that a shader may use it by name. Lines `enable …;` move to the top, each
 * once, from wherever they were imported.
 */

/** Values known before compilation. */
export type Constants = Readonly<Record<string, number | string>>;

/** Reads the text of a shader by name, `shared/NAME` for what shaders share. */
export type ShaderSource = (name: string) => string;

/** Nesting deeper than this is a mistake in a shader. */
export const TEMPLATE_DEPTH_MAX = 16;
/** Expanded text longer than this takes drivers seconds to compile. */
export const EXPANDED_CHARS_MAX = 1 << 20;

/** Names with their values; null where the value is known to the running shader alone. */
type Scope = ReadonlyMap<string, number | null>;

/** Reads one expression by precedence: or, and, compare, sum, product, unary. */
class ExpressionReader {
  readonly #tokens: readonly string[];
  readonly #text: string;
  readonly #scope: Scope;
  #at = 0;

  constructor(text: string, scope: Scope) {
    this.#text = text;
    this.#scope = scope;
    this.#tokens = text.match(/\d+|\w+|[<>=!]=|&&|\|\||[-+*/%()<>!]|\S/g) ?? [];
  }

  value(): number {
    const value = this.#binary(0);
    if (this.#at < this.#tokens.length) this.#fail();
    return value;
  }

  #fail(): never {
    throw new SyntaxError(`Shader expression "${this.#text}" is wrong at token ${this.#at}`);
  }

  #binary(level: number): number {
    const operators = LEVELS[level];
    if (!operators) return this.#unary();
    let left = this.#binary(level + 1);
    while (true) {
      const operator = operators.get(this.#tokens[this.#at] ?? "");
      if (!operator) return left;
      this.#at++;
      left = operator(left, this.#binary(level + 1));
    }
  }

  #unary(): number {
    const token = this.#tokens[this.#at++];
    if (token === undefined) this.#fail();
    if (token === "-") return -this.#unary();
    if (token === "!") return this.#unary() === 0 ? 1 : 0;
    if (token === "(") {
      const inner = this.#binary(0);
      if (this.#tokens[this.#at++] !== ")") this.#fail();
      return inner;
    }
    if (/^\d+$/.test(token)) return Number(token);
    const known = this.#scope.get(token);
    if (known === undefined || known === null) {
      throw new SyntaxError(`Shader expression "${this.#text}" has no value for "${token}"`);
    }
    return known;
  }
}

type Operator = (a: number, b: number) => number;
const truth = (value: boolean) => value ? 1 : 0;
const LEVELS: readonly ReadonlyMap<string, Operator>[] = [
  new Map<string, Operator>([["||", (a, b) => truth(a !== 0 || b !== 0)]]),
  new Map<string, Operator>([["&&", (a, b) => truth(a !== 0 && b !== 0)]]),
  new Map<string, Operator>([
    ["==", (a, b) => truth(a === b)],
    ["!=", (a, b) => truth(a !== b)],
    ["<=", (a, b) => truth(a <= b)],
    [">=", (a, b) => truth(a >= b)],
    ["<", (a, b) => truth(a < b)],
    [">", (a, b) => truth(a > b)],
  ]),
  new Map<string, Operator>([["+", (a, b) => a + b], ["-", (a, b) => a - b]]),
  new Map<string, Operator>([
    ["*", (a, b) => a * b],
    ["/", (a, b) => Math.floor(a / b)],
    ["%", (a, b) => a % b],
  ]),
];

/** A line of output, or a block that the constants decide about. */
type Node =
  | { kind: "line"; text: string }
  | { kind: "if"; condition: string; then: Node[]; otherwise: Node[] }
  | { kind: "for"; rolls: boolean; variable: string; low: string; high: string; body: Node[] };

const FOR_LINE = /^#(for|loop) (\w+) in (.+?)\.\.(.+)$/;

/** Reads lines up to the end of a block; returns the nodes and which directive ended it. */
function readBlock(
  lines: readonly string[],
  start: number,
  depth: number,
): { nodes: Node[]; next: number; ending: string } {
  if (depth > TEMPLATE_DEPTH_MAX) {
    throw new SyntaxError(`Shader template nests deeper than ${TEMPLATE_DEPTH_MAX}`);
  }
  const nodes: Node[] = [];
  let at = start;
  while (at < lines.length) {
    const text = lines[at]!;
    const directive = text.trim();
    at++;
    if (!directive.startsWith("#")) {
      nodes.push({ kind: "line", text });
    } else if (directive === "#end" || directive === "#else") {
      return { nodes, next: at, ending: directive };
    } else if (directive.startsWith("#if ")) {
      const then = readBlock(lines, at, depth + 1);
      const otherwise = then.ending === "#else"
        ? readBlock(lines, then.next, depth + 1)
        : { ...then, nodes: [] };
      if (otherwise.ending !== "#end") {
        throw new SyntaxError(`Shader line "${directive}" has no #end`);
      }
      nodes.push({
        kind: "if",
        condition: directive.slice(4),
        then: then.nodes,
        otherwise: otherwise.nodes,
      });
      at = otherwise.next;
    } else {
      const loop = FOR_LINE.exec(directive);
      if (!loop) throw new SyntaxError(`Shader line "${directive}" is no directive`);
      const body = readBlock(lines, at, depth + 1);
      if (body.ending !== "#end") throw new SyntaxError(`Shader line "${directive}" has no #end`);
      const [, word, variable, low, high] = loop as unknown as [string, string, ...string[]];
      const range = { variable: variable!, low: low!, high: high! };
      nodes.push({ kind: "for", rolls: word === "loop", ...range, body: body.nodes });
      at = body.next;
    }
  }
  return { nodes, next: at, ending: "" };
}

function evaluate(text: string, scope: Scope): number {
  return new ExpressionReader(text, scope).value();
}

/** An expression as text: its value, or itself where it depends on a variable of a rolled loop. */
function render(text: string, scope: Scope): string {
  const names = text.match(/[A-Za-z_]\w*/g) ?? [];
  if (names.every((name) => scope.get(name) !== null)) return `${evaluate(text, scope)}`;
  return `(${text.replace(/[A-Za-z_]\w*/g, (name) => `${scope.get(name) ?? name}`)})`;
}

/** Lines of the expanded text, within the limit. */
class Lines {
  readonly #directives = new Set<string>();
  readonly #lines: string[] = [];
  #chars = 0;

  push(line: string): void {
    this.#chars += line.length + 1;
    if (this.#chars > EXPANDED_CHARS_MAX) {
      throw new SyntaxError(`Shader text grows past ${EXPANDED_CHARS_MAX} characters`);
    }
    if (line.startsWith("enable ")) this.#directives.add(line);
    else this.#lines.push(line);
  }

  /** WGSL wants its directives before everything else. */
  text(): string {
    return [...this.#directives, ...this.#lines].join("\n");
  }
}

function writeInto(out: Lines, nodes: readonly Node[], scope: Scope): void {
  for (const node of nodes) {
    if (node.kind === "line") {
      out.push(node.text.replace(/\$\{([^}]*)\}/g, (_, text) => render(text, scope)));
    } else if (node.kind === "if") {
      const chosen = evaluate(node.condition, scope) !== 0 ? node.then : node.otherwise;
      writeInto(out, chosen, scope);
    } else if (node.rolls && scope.get("ROLLED")) {
      const { variable: i, low, high } = node;
      const [from, to] = [render(low, scope), render(high, scope)];
      out.push(`for (var ${i} = u32(${from}); ${i} < u32(${to}); ${i}++) {`);
      writeInto(out, node.body, new Map(scope).set(i, null));
      out.push("}");
    } else {
      const high = evaluate(node.high, scope);
      const inner = new Map(scope);
      for (let i = evaluate(node.low, scope); i < high; i++) {
        inner.set(node.variable, i);
        writeInto(out, node.body, inner);
      }
    }
  }
}

/** Replaces `#import` lines by the files they name, each once. */
function gather(name: string, source: ShaderSource, seen: Set<string>): string[] {
  if (seen.has(name)) return [];
  seen.add(name);
  return source(name).split("\n").flatMap((line) => {
    const directive = line.trim();
    return directive.startsWith("#import ")
      ? gather(directive.slice("#import ".length).trim(), source, seen)
      : [line];
  });
}

/**
 * Expands a shader file with its constants.
 *
 * @throws {SyntaxError} a directive or an expression is wrong, or the text grows past
 *   {@linkcode EXPANDED_CHARS_MAX}
 */
export function expandShader(name: string, constants: Constants, source: ShaderSource): string {
  const block = readBlock(gather(name, source, new Set()), 0, 0);
  if (block.ending !== "") throw new SyntaxError(`Shader ${name} has a stray ${block.ending}`);
  const scope = new Map<string, number | null>();
  const out = new Lines();
  for (const [key, value] of Object.entries(constants)) {
    if (typeof value !== "number") continue;
    scope.set(key, value);
    out.push(`const ${key} = ${value}u;`);
  }
  writeInto(out, block.nodes, scope);
  return out.text();
}

/** A storage variable: an array of `element`, an alias resolved. */
export interface StorageVariable {
  readonly binding: number;
  readonly writable: boolean;
  readonly element: string;
}

/** What an expanded shader declares. */
export interface ShaderInterface {
  /** Storage variables of group 0 by name. */
  readonly storage: ReadonlyMap<string, StorageVariable>;
  /** Fields of `struct Dims`, in order. */
  readonly dims: readonly { name: string; float: boolean }[];
}

const STORAGE_LINE =
  /@group\(0\)\s*@binding\((\d+)\)\s*var<storage,\s*(read|read_write)>\s*(\w+)\s*:\s*array<(\w+)>/g;
const ALIAS_LINE = /alias (\w+) = (\w+);/g;
const DIMS_STRUCT = /struct Dims\s*\{([^}]*)\}/;

/** Reads the bindings and the sizes that an expanded shader declares. */
export function interfaceOf(text: string): ShaderInterface {
  const aliases = new Map([...text.matchAll(ALIAS_LINE)].map(([, name, type]) => [name!, type!]));
  const storage = new Map<string, StorageVariable>();
  for (const [, binding, access, name, type] of text.matchAll(STORAGE_LINE)) {
    const element = aliases.get(type!) ?? type!;
    storage.set(name!, { binding: Number(binding), writable: access === "read_write", element });
  }
  const fields = DIMS_STRUCT.exec(text)?.[1] ?? "";
  const dims = [...fields.matchAll(/(\w+)\s*:\s*(u32|f32)/g)].map(([, name, type]) => ({
    name: name!,
    float: type === "f32",
  }));
  return { storage, dims };
}
