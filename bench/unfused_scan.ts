/**
 * The selective scan without fusion: the same recurrence as a chain of ops, each of which writes
 * what it makes to memory, states of every sample included. What fusing is worth, in one run.
 *
 * A is the same for every feature, so that log decays are products of two vectors a sample. The
 * scan that gives its states is complex, so the imaginary parts are stored, too, as zeros; the
 * scan's cost counts them, since this chain moves them.
 */
import type { DeviceTensor, GpuDevice } from "../src/device/mod.ts";
import { activation, diagonalScan, gate, matmul, runOp } from "../src/ops/mod.ts";
import { reshape } from "../src/tensor/tensor.ts";
import { sumCosts, tensorBytes } from "./costs.ts";
import { chain, drawn, type Group, type Scenario } from "./scenario.ts";

type Sizes = readonly [batch: number, feature: number, length: number, state: number];

function run(gpu: GpuDevice, inputs: Record<string, DeviceTensor>, sizes: Sizes): void {
  const [batch, feature, length, state] = sizes;
  const [u, delta, z] = [inputs["u"]!, inputs["delta"]!, inputs["z"]!];
  const samples = batch * length;
  const product = (a: DeviceTensor, b: DeviceTensor) => runOp(gpu, matmul, { a, b }, {}).c;
  const column = (x: DeviceTensor) => reshape(x, [samples, feature, 1]);
  const pairs = [batch, length, feature * state, 2];
  const { y: steps } = runOp(gpu, activation, { x: delta }, { kind: "softplus" });
  const scaled = runOp(gpu, gate, { y: steps, z: u }, { activation: "identity" }).out;
  const drive = product(column(scaled), inputs["B"]!);
  const logs = product(column(steps), inputs["A"]!);
  const { x } = runOp(
    gpu,
    diagonalScan,
    { v: reshape(drive, pairs), A: reshape(logs, pairs) },
    { variant: "logs" },
  );
  const read = product(reshape(x, [samples, feature, 2 * state]), inputs["C"]!);
  runOp(gpu, gate, { y: reshape(read, u.shape), z }, { activation: "silu" });
}

/** The chain as a scenario. */
export function unfusedScan(group: Group, sizes: Sizes): Scenario {
  const [batch, feature, length, state] = sizes;
  const rows = [batch, length, feature];
  const samples = batch * length;
  const states = [samples, feature, 2 * state];
  return chain(
    group,
    `unfused_scan ${sizes}`,
    ["selective_scan", "diagonal_scan", "matmul"],
    {
      inputs: () => ({
        u: drawn(rows),
        delta: drawn(rows, -3, -1),
        z: drawn(rows),
        A: drawn([samples, 1, 2 * state], -4, -0.5),
        B: drawn([samples, 1, 2 * state]),
        C: drawn([samples, 2 * state, 1]),
      }),
      cost: () =>
        sumCosts([{
          // Drives, log decays and states, each written and read once; the rows of each op.
          bytes: tensorBytes([states, states, states]) * 2 + tensorBytes(Array(10).fill(rows)),
          fused: samples * feature * 2 * state * 2,
          single: samples * feature * 2 * state * 2,
          special: samples * feature * (2 * state + 4),
        }]),
      run: (gpu, inputs) => run(gpu, inputs, sizes),
    },
  );
}
