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
