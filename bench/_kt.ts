import { openCpu } from "/tmp/wt_kalman/src/device/cpu.ts";
import { openScope } from "/tmp/wt_kalman/src/device/scope.ts";
import { openWebGpu } from "/tmp/wt_kalman/src/device/webgpu.ts";
import { kalmanFilter } from "/tmp/wt_kalman/src/ops/mod.ts";
import { runOp } from "/tmp/wt_kalman/src/ops/run.ts";
import { caseInputs, relativeError } from "/tmp/wt_kalman/src/ops/self_check.ts";
import { gradientsOn } from "/tmp/wt_kalman/tests/ops/_gradients.ts";
const op = kalmanFilter as any;
const opened = await openWebGpu({ poison: true, log: console.log });
const gpu = (opened as any).device; const cpu = openCpu({ poison: true });
const only = Deno.args[0];
for (const c of op.cases) {
  if (only && !c.name.includes(only)) continue;
  const run = async (device: any, dtype: any) => {
    const scope = openScope(device);
    const o = runOp(scope, op, caseInputs(c, dtype), c.params) as any; const r: any = {};
    for (const k of op.outputs) r[k] = (await scope.read(o[k])).data; scope.release(); return r; };
  const t0 = performance.now(); const e = await run(cpu, "f64"); const t1 = performance.now();
  const g = await run(gpu, "f32"); const t2 = performance.now(); await run(gpu, "f32"); const t3 = performance.now();
  console.log(c.name, "cpu", (t1-t0).toFixed(1), "gpu first", (t2-t1).toFixed(0), "again", (t3-t2).toFixed(1), op.outputs.map((k: string) => k+" "+relativeError(g[k], e[k]).toExponential(1)).join(" "));
  if (Deno.args[1]) { const t4 = performance.now(); const ge = await gradientsOn(cpu, op, c, "f64"); const gs = await gradientsOn(cpu, op, c, "f32");
  const gg = await gradientsOn(gpu, op, c, "f32"); console.log("   back", (performance.now()-t4).toFixed(0), Object.keys(ge).map(k => k+" "+relativeError(gg[k], ge[k]).toExponential(1)+"/"+relativeError(gs[k], ge[k]).toExponential(1)).join(" ")); }
}
gpu.close();
