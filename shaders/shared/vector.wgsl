// What one invocation moves: VECTOR floats at a time. A float an invocation reaches a third of the
// memory's bandwidth, four reach all of it.
#if VECTOR == 4
alias Element = vec4f;
#else
#if VECTOR == 2
alias Element = vec2f;
#else
alias Element = f32;
#end
#end

/// The sum of an element's values.
fn elementSum(v: Element) -> f32 {
#if VECTOR == 4
  return (v.x + v.y) + (v.z + v.w);
#else
#if VECTOR == 2
  return v.x + v.y;
#else
  return v;
#end
#end
}
