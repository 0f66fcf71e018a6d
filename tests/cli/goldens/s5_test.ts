import assert from "node:assert/strict";
import { seedRandom } from "../../../src/base/random.ts";
import { GOLDENS_FOLDER_DEFAULT } from "../../../src/cli/goldens.ts";
import {
  type GoldenCase,
  type GoldenTensor,
  parseGoldenGroup,
} from "../../../src/cli/goldens/golden_file.ts";
import { s5Group } from "../../../src/cli/goldens/s5.ts";
import { openCpu } from "../../../src/device/mod.ts";
import { nextNormal } from "../../../src/base/random.ts";

const on = { device: openCpu({ poison: true }), dtype: "f64" } as const;
const path = `${GOLDENS_FOLDER_DEFAULT}/s5`;
const { cases } = parseGoldenGroup(
  await Deno.readTextFile(`${path}.json`),
  await Deno.readFile(`${path}.safetensors`),
);
const layer = cases.find(({ tensors }) => tensors.has("seq.B"))!;

function drawn(count: number, seed: number): Float64Array {
  const random = seedRandom(seed);
  return Float64Array.from({ length: count }, () => nextNormal(random));
}

/** The case with some tensors replaced or added. */
function changed(
  golden: GoldenCase,
  scalars: Record<string, unknown>,
  tensors: Record<string, Partial<GoldenTensor>>,
): GoldenCase {
  const like = golden.tensors.get("out2.bias")!;
  const all = new Map(golden.tensors);
  for (const [name, change] of Object.entries(tensors)) {
    all.set(name, { ...(all.get(name) ?? like), ...change, name });
  }
  return { ...golden, scalars: { ...golden.scalars, ...scalars } as never, tensors: all };
}

async function valuesOf(golden: GoldenCase): Promise<Readonly<Record<string, Float64Array>>> {
  const computed = await s5Group.run(golden, on);
  assert.ok("values" in computed);
  return computed.values;
}

for (const activation of ["gelu", "half_glu1", "half_glu2", "full_glu"]) {
  for (const prenorm of [true, false]) {
    Deno.test(`gradients of a layer with ${activation}, prenorm ${prenorm}, are differences`, async () => {
      const { values: y } = layer.tensors.get("y")!;
      const weight = drawn(y.length, 1);
      const golden = changed(layer, { activation, prenorm }, {
        loss_weight: { ...layer.tensors.get("y"), role: "input", values: weight },
        "out1.kernel": { ...layer.tensors.get("out2.kernel"), values: drawn(16, 2) },
        "out1.bias": { values: drawn(4, 3) },
        grad_u: { role: "grad", rtol: { f64: 1, f32: 1 } },
      });
      const gradients = await valuesOf(golden);
      const names = Object.keys(gradients).filter((name) => name.startsWith("grad_"));
      const gates = { gelu: 0, half_glu1: 2, half_glu2: 2, full_glu: 4 }[activation]!;
      assert.equal(names.length, 9 + gates);
      for (const name of names) {
        const variable = name.slice("grad_".length);
        const { values } = golden.tensors.get(variable)!;
        const direction = drawn(values.length, 4);
        const along = async (step: number) => {
          const moved = values.map((value, i) => value + step * direction[i]!);
          const result = await valuesOf(changed(golden, {}, { [variable]: { values: moved } }));
          return result["y"]!.reduce((loss, value, i) => loss + value * weight[i]!, 0);
        };
        const measured = (await along(1e-5) - await along(-1e-5)) / 2e-5;
        const expected = direction.reduce((sum, d, i) => sum + d * gradients[name]![i]!, 0);
        // Second-order differences of step 1e-5: their third derivative and their rounding.
        const error = Math.abs(measured - expected) / Math.max(1, Math.abs(expected));
        assert.ok(error < 1e-6, `${name}: ${measured}, not ${expected}`);
      }
    });
  }
}
