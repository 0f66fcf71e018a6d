/**
 * Several storage variables of a shader in one buffer, for devices that bind fewer buffers than a
 * launch has tensors (8 are all that WebGPU grants, its specification, section 3.6.2). Only the
 * text between expansion and compilation changes: `x[i]` becomes `host[dims.xOffset + (i)]`. So any
 * shader can be run so, and none has to be written for it.
 */
import { interfaceOf } from "./wgsl.ts";

/** Variables that lie in the buffer of another one of their kind: name -> that one's name. */
export type Packed = Readonly<Record<string, string>>;

/** The size of a launch that says at which element of its host's buffer a variable begins. */
export function offsetName(variable: string): string {
  return `${variable}Offset`;
}

/** Index of the bracket that closes the one at `open`. */
function closingOf(text: string, open: number): number {
  let depth = 0;
  for (let at = open; at < text.length; at++) {
    if (text[at] === "[") depth++;
    else if (text[at] === "]" && --depth === 0) return at;
  }
  throw new SyntaxError(`Shader text leaves a bracket open: "${text.slice(open, open + 40)}"`);
}

function moveAccesses(text: string, name: string, host: string): string {
  // A field of the same name follows a dot.
  const starts = [...text.matchAll(new RegExp(`(?<![\\w.])${name}\\[`, "g"))];
  let moved = text;
  // From the last one on, so that an access inside an index is done before the one around it.
  for (const { index } of starts.reverse()) {
    const open = index + name.length;
    const close = closingOf(moved, open);
    const at = `dims.${offsetName(name)} + (${moved.slice(open + 1, close)})`;
    moved = `${moved.slice(0, index)}${host}[${at}]${moved.slice(close + 1)}`;
  }
  return moved;
}

/**
 * The text of an expanded shader with variables packed into the buffers of others. Each adds a
 * field to `struct Dims`, {@linkcode offsetName}.
 *
 * @throws {SyntaxError} the shader lacks one of the variables, or two that shall share a buffer
 *   differ in element type or access
 */
export function packShader(text: string, packed: Packed): string {
  const moves = Object.entries(packed);
  if (moves.length === 0) return text;
  const { storage } = interfaceOf(text);
  // Brackets in comments need not be closed.
  let out = text.replaceAll(/\/\/.*$/gm, "");
  for (const [name, host] of moves) {
    const [own, other] = [storage.get(name), storage.get(host)];
    if (
      own === undefined || own.element !== other?.element || own.writable !== other.writable
    ) throw new SyntaxError(`Shader variables "${name}" and "${host}" cannot share a buffer`);
    out = out.replace(new RegExp(`^.*var<storage,[^>]*>\\s*${name}\\s*:.*$`, "m"), "");
    out = moveAccesses(out, name, host);
  }
  const fields = moves.map(([name]) => `${offsetName(name)}: u32, `).join("");
  return out.replace(/struct Dims\s*\{/, (head) => head + fields);
}
