import { THETA } from "../../src/models/structural_layout.ts";

/** Parameters of a structural model that moves a little in every way. */
export function usualTheta(): Float64Array {
  const theta = new Float64Array(THETA.size);
  theta[THETA.level] = -1;
  theta[THETA.slope] = -2;
  theta[THETA.damping] = 0.9;
  theta.fill(-0.3, THETA.ou, THETA.season);
  theta.fill(-2, THETA.season);
  return theta;
}
