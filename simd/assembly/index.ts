// The kernels that src/device/simd.ts runs. Each takes a range of independent tasks, an area of
// memory of its thread, and the op's arrays and sizes; an address of 0 is an input not given.
export { activation, activation_backward, gate, gate_backward } from "./pointwise";
export { skip, skip_backward, timed_steps, timed_steps_backward } from "./pointwise";
export { column_sums, multiply, pack } from "./matmul";
export { conv1d, conv1d_backward } from "./conv1d";
export { dense_scan } from "./dense_scan";
export { dense_scan_backward } from "./dense_scan_backward";
export { diagonal_scan } from "./diagonal_scan";
export { linear_scan } from "./linear_scan";
export { diagonal_scan_backward } from "./diagonal_scan_backward";
export { dplr_scan } from "./dplr_scan";
export { dplr_scan_backward } from "./dplr_scan_backward";
export { kalman_filter, kalman_smoother } from "./kalman";
export { layer_norm, layer_norm_backward, rms_norm, rms_norm_backward } from "./norm";
export { legs_scan } from "./legs_scan";
export { legs_scan_backward } from "./legs_scan_backward";
export { linear_scan_backward } from "./linear_scan_backward";
export { selective_scan } from "./selective_scan";
export { selective_scan_backward } from "./selective_scan_backward";
export { ssd } from "./ssd";
export { ssd_backward } from "./ssd_backward";
export { cov_times_row, subtract_outer, subtract_outer_rounded } from "./packed";
export { mamba_step } from "./mamba_step";
export { selective_state_update } from "./selective_state_update";
export { shared_scan } from "./shared_scan";
export { shared_scan_backward } from "./shared_scan_backward";
export { structural_pass } from "./structural_pass";
export { row_product } from "./row_product";
