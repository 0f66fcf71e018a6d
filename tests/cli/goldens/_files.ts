/** Small golden files made by hand: one case that doubles its input. */

const X = { role: "input", shape: [2], complex: false };
const Y = { role: "output", shape: [2], complex: false, rtol: { f64: 1e-9, f32: 1e-5 } };

/** The manifest of one case; `tensors` replaces or adds to x and y. */
export function manifestOf(tensors: Readonly<Record<string, unknown>> = {}): string {
  return JSON.stringify({
    format: "goldens/1",
    group: "made",
    cases: {
      one: {
        description: "doubles",
        reference: { functions: ["by hand"] },
        scalars: { N: 2, kind: "double" },
        conventions: ["none"],
        atol: { f64: 1e-13, f32: 1e-7 },
        tensors: { x: X, y: Y, ...tensors },
      },
    },
  });
}

const VALUES = { "one/x": [1, 2], "one/y": [2, 4] };

/** A safetensors file of flat f64 tensors. */
export function fileOf(values: Readonly<Record<string, readonly number[]>> = VALUES): Uint8Array {
  const header: Record<string, unknown> = {};
  let at = 0;
  for (const [name, list] of Object.entries(values)) {
    const end = at + 8 * list.length;
    header[name] = { dtype: "F64", shape: [list.length], data_offsets: [at, end] };
    at = end;
  }
  const text = new TextEncoder().encode(JSON.stringify(header));
  const file = new Uint8Array(8 + text.length + at);
  new DataView(file.buffer).setBigUint64(0, BigInt(text.length), true);
  file.set(text, 8);
  const data = new Uint8Array(Float64Array.from(Object.values(values).flat()).buffer);
  file.set(data, 8 + text.length);
  return file;
}
