/** A member on the GPU of this machine, beside its twins. */
import { openCpu } from "../../device/mod.ts";
import type { GpuDevice } from "../../device/device.ts";
import type { FamilyMember } from "./member.ts";
import { apart, exampleOf, F32_CLOSE, F32_GRADIENT_CLOSE, type Outcome } from "./probe.ts";
import { gradientsOf, runForward } from "./probe.ts";

/** The errors of a member, largest difference over largest value, the worst of its tensors. */
export interface GpuErrors {
  readonly forward: number;
  readonly gradient: number;
  /** Both are within what f32 allows a layer of this width. */
  readonly passed: boolean;
}

/** Runs both ways on a GPU in f32 and compares with the twins in f64. */
export async function gpuErrors(gpu: GpuDevice, member: FamilyMember): Promise<GpuErrors> {
  const example = exampleOf(member);
  const cpu = openCpu({ simd: false });
  const { u, state } = example;
  const forward = apart(
    await runForward(gpu, example, u, state, "f32"),
    await runForward(cpu, example, u, state, "f64"),
  );
  const known = (gradients: Readonly<Record<string, Outcome[string] | undefined>>): Outcome =>
    Object.fromEntries(
      Object.entries(gradients).flatMap(([name, tensor]) => tensor ? [[name, tensor]] : []),
    );
  const gradient = apart(
    known(await gradientsOf(gpu, example, "f32")),
    known(await gradientsOf(cpu, example, "f64")),
  );
  const passed = forward <= F32_CLOSE && gradient <= F32_GRADIENT_CLOSE;
  return { forward, gradient, passed };
}
