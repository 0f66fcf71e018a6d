// Elementwise kernels: activation and gate, and their ways back. A task is a run of elements of one
// row.
import {
  activate,
  activateInline,
  GELU_TANH,
  SIGMOID,
  SILU,
  slopeOf,
  softplus,
  softplusSlope,
} from "./activation";
import { at, least, loadQuad, splat, storeQuad } from "./lanes";

/** y = act(x) from `i` to `last`, for a code that is known when this is compiled. */
// @ts-ignore: decorator
@inline
function activateRun(kind: i32, x: usize, y: usize, i: i32, last: i32, beta: f32): void {
  for (; i + 4 <= last; i += 4) {
    v128.store(at(y, i), activateInline(kind, v128.load(at(x, i)), beta));
  }
  if (i < last) {
    const rest = activateInline(kind, loadQuad(at(x, i), last - i), beta);
    storeQuad(at(y, i), rest, last - i);
  }
}

/** out = y·act(z) of one row, likewise. */
// @ts-ignore: decorator
@inline
function gateRun(kind: i32, y: usize, z: usize, out: usize, width: i32): void {
  let i = 0;
  for (; i + 4 <= width; i += 4) {
    const gated = activateInline(kind, v128.load(at(z, i)), 1);
    v128.store(at(out, i), f32x4.mul(v128.load(at(y, i)), gated));
  }
  if (i < width) {
    const lanes = width - i;
    const gated = activateInline(kind, loadQuad(at(z, i), lanes), 1);
    storeQuad(at(out, i), f32x4.mul(loadQuad(at(y, i), lanes), gated), lanes);
  }
}

/** y = act(x). A task is `block` elements. */
export function activation(
  begin: i32,
  end: i32,
  _scratch: usize,
  x: usize,
  y: usize,
  count: i32,
  block: i32,
  kind: i32,
  beta: f32,
): void {
  const first = begin * block;
  const last = least(end * block, count);
  if (kind == SILU) activateRun(SILU, x, y, first, last, beta);
  else if (kind == GELU_TANH) activateRun(GELU_TANH, x, y, first, last, beta);
  else if (kind == SIGMOID) activateRun(SIGMOID, x, y, first, last, beta);
  else {
    for (let i = first; i < last; i += 4) {
      const lanes = count - i;
      storeQuad(at(y, i), activate(kind, loadQuad(at(x, i), lanes), beta), lanes);
    }
  }
}

/** gradX = gradY·act'(x). */
export function activation_backward(
  begin: i32,
  end: i32,
  _scratch: usize,
  x: usize,
  gradY: usize,
  gradX: usize,
  count: i32,
  block: i32,
  kind: i32,
  beta: f32,
): void {
  const last = least(end * block, count);
  for (let i = begin * block; i < last; i += 4) {
    const lanes = count - i;
    const slope = slopeOf(kind, loadQuad(at(x, i), lanes), beta);
    storeQuad(at(gradX, i), f32x4.mul(loadQuad(at(gradY, i), lanes), slope), lanes);
  }
}

/** y = a + weight·u, g = act(y). A task is a row of `width`. */
export function skip(
  begin: i32,
  end: i32,
  _scratch: usize,
  a: usize,
  u: usize,
  weight: usize,
  y: usize,
  g: usize,
  width: i32,
  kind: i32,
): void {
  for (let row = begin; row < end; row++) {
    for (let i = 0; i < width; i += 4) {
      const lanes = width - i;
      const from = row * width + i;
      const skipped = f32x4.mul(loadQuad(at(weight, i), lanes), loadQuad(at(u, from), lanes));
      const value = f32x4.add(loadQuad(at(a, from), lanes), skipped);
      storeQuad(at(y, from), value, lanes);
      storeQuad(at(g, from), activate(kind, value, 1), lanes);
    }
  }
}

/**
 * gradA = gradY + gradG·act'(y), gradU = weight·gradA, and the sums of u·gradA over the rows of a
 * task in its row of `shares`. A task is `block` rows.
 */
export function skip_backward(
  begin: i32,
  end: i32,
  _scratch: usize,
  u: usize,
  weight: usize,
  y: usize,
  gradY: usize,
  gradG: usize,
  gradA: usize,
  gradU: usize,
  shares: usize,
  rows: i32,
  block: i32,
  width: i32,
  kind: i32,
): void {
  for (let task = begin; task < end; task++) {
    const last = least((task + 1) * block, rows);
    for (let i = 0; i < width; i += 4) {
      const lanes = width - i;
      const factor = loadQuad(at(weight, i), lanes);
      let sum = splat(0);
      for (let row = task * block; row < last; row++) {
        const from = row * width + i;
        const slope = slopeOf(kind, loadQuad(at(y, from), lanes), 1);
        const shared = f32x4.mul(loadQuad(at(gradG, from), lanes), slope);
        const gradient = f32x4.add(loadQuad(at(gradY, from), lanes), shared);
        storeQuad(at(gradA, from), gradient, lanes);
        storeQuad(at(gradU, from), f32x4.mul(factor, gradient), lanes);
        sum = f32x4.add(sum, f32x4.mul(loadQuad(at(u, from), lanes), gradient));
      }
      storeQuad(at(shares, task * width + i), sum, lanes);
    }
  }
}

/**
 * out = y·act(z). Rows of `width` outputs; the rows of y and z are `stride` apart, so that z may
 * be the second half of y's row. A task is a row.
 */
export function gate(
  begin: i32,
  end: i32,
  _scratch: usize,
  y: usize,
  z: usize,
  out: usize,
  width: i32,
  stride: i32,
  zShift: i32,
  kind: i32,
): void {
  const gates = at(z, zShift);
  for (let row = begin; row < end; row++) {
    const from = at(y, row * stride);
    const gate = at(gates, row * stride);
    const to = at(out, row * width);
    if (kind == SILU) {
      gateRun(SILU, from, gate, to, width);
      continue;
    }
    if (kind == SIGMOID) {
      gateRun(SIGMOID, from, gate, to, width);
      continue;
    }
    for (let i = 0; i < width; i += 4) {
      const lanes = width - i;
      const gated = activate(kind, loadQuad(at(gate, i), lanes), 1);
      storeQuad(at(to, i), f32x4.mul(loadQuad(at(from, i), lanes), gated), lanes);
    }
  }
}

/** gradY = gradOut·act(z), gradZ = gradOut·y·act'(z), in the places of y and z. */
export function gate_backward(
  begin: i32,
  end: i32,
  _scratch: usize,
  y: usize,
  z: usize,
  gradOut: usize,
  gradY: usize,
  gradZ: usize,
  width: i32,
  stride: i32,
  zShift: i32,
  kind: i32,
): void {
  const gates = at(z, zShift);
  const gateGradients = at(gradZ, zShift);
  for (let row = begin; row < end; row++) {
    for (let i = 0; i < width; i += 4) {
      const lanes = width - i;
      const from = row * stride + i;
      const gradient = loadQuad(at(gradOut, row * width + i), lanes);
      const gated = loadQuad(at(gates, from), lanes);
      const value = loadQuad(at(y, from), lanes);
      storeQuad(at(gradY, from), f32x4.mul(gradient, activate(kind, gated, 1)), lanes);
      const share = f32x4.mul(f32x4.mul(gradient, value), slopeOf(kind, gated, 1));
      storeQuad(at(gateGradients, from), share, lanes);
    }
  }
}

/** delta = scale·softplus(raw), a scale for each row of `width`. A task is a row. */
export function timed_steps(
  begin: i32,
  end: i32,
  _scratch: usize,
  raw: usize,
  scale: usize,
  delta: usize,
  width: i32,
): void {
  for (let row = begin; row < end; row++) {
    const elapsed = splat(load<f32>(at(scale, row)));
    for (let i = 0; i < width; i += 4) {
      const from = row * width + i;
      const step = softplus(loadQuad(at(raw, from), width - i));
      storeQuad(at(delta, from), f32x4.mul(elapsed, step), width - i);
    }
  }
}

/** gradRaw = gradDelta·scale·σ(raw), gradScale = Σ gradDelta·softplus(raw) of a row. */
export function timed_steps_backward(
  begin: i32,
  end: i32,
  _scratch: usize,
  raw: usize,
  scale: usize,
  gradDelta: usize,
  gradRaw: usize,
  gradScale: usize,
  width: i32,
): void {
  for (let row = begin; row < end; row++) {
    const elapsed = splat(load<f32>(at(scale, row)));
    let sum = splat(0);
    for (let i = 0; i < width; i += 4) {
      const from = row * width + i;
      const lanes = width - i;
      const x = loadQuad(at(raw, from), lanes);
      // Lanes past the end are 0.
      const gradient = loadQuad(at(gradDelta, from), lanes);
      const slope = f32x4.mul(elapsed, softplusSlope(x));
      storeQuad(at(gradRaw, from), f32x4.mul(gradient, slope), lanes);
      sum = f32x4.add(sum, f32x4.mul(gradient, softplus(x)));
    }
    const even = f32x4.extract_lane(sum, 0) + f32x4.extract_lane(sum, 2);
    const odd = f32x4.extract_lane(sum, 1) + f32x4.extract_lane(sum, 3);
    store<f32>(at(gradScale, row), even + odd);
  }
}
