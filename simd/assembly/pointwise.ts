// Elementwise kernels: activation and gate, and their ways back. A task is a run of elements of one
// row.
import { activate, slopeOf } from "./activation";
import { at, least, loadQuad, storeQuad } from "./lanes";

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
  const last = least(end * block, count);
  for (let i = begin * block; i < last; i += 4) {
    const lanes = count - i;
    storeQuad(at(y, i), activate(kind, loadQuad(at(x, i), lanes), beta), lanes);
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
    for (let i = 0; i < width; i += 4) {
      const lanes = width - i;
      const from = row * stride + i;
      const gated = activate(kind, loadQuad(at(gates, from), lanes), 1);
      const value = f32x4.mul(loadQuad(at(y, from), lanes), gated);
      storeQuad(at(out, row * width + i), value, lanes);
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
