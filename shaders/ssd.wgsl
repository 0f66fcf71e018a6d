// State-space duality (Mamba-2) in chunks of the length, as matrix products.
//
//   x[k] = exp(a[k]) x[k-1] + w[k] u[k] B[k]^T     y[k] = x[k] C[k] + D u[k]
//
// with a = delta A and w = delta, or a = delta and w = 1 without A. s[k] is the sum of a from the
// chunk's first sample to k, S that of the whole chunk. For a chunk with the state `before` it:
//
//   y[i]  = exp(s[i]) before C[i] + sum over j <= i of exp(s[i] - s[j]) (C[i].B[j]) w[j] u[j]
//   after = exp(S) before + sum over j of exp(S - s[j]) w[j] u[j] B[j]^T
//
// turn_rows     C with the samples of a chunk side by side
// stage_rates   s (as two numbers), w and exp(S - s) of every sample
// score_pairs   C[i].B[j], once for all heads of a group
// reduce_runs   walks over the chunks of a run, whose length all rows and heads together decide,
//               and keeps the state before each, from a start of zero (x0 in the first run)
// carry_runs    where there are several runs: the state before each of them; the final state
// apply_chunks  y, where the state before a chunk is the kept one and what is left of that before
//               its run
//
// The way back is of the same form, and BACK runs it: gradients of y take the place of u, B and C
// are changed for each other, and the walk goes from the last sample to the first:
//
//   gradU[j] = w[j] (exp(S - s[j]) after B[j] + sum over i >= j of exp(s[i] - s[j]) (C[i].B[j])
//              gradY[i]) + D gradY[j]
//
// with `after` the gradient of the state that leaves the chunk. In what follows u, B and C stand
// for what takes their place.
//
// s is two numbers, a multiple of 1/64, of which sums and differences are exact, and the rest,
// which stays small: so a difference of two sums is as near as the sum between them.
//
// States lie as [state, feature]; their number is rounded up to whole stages, features to vec4s.
#import shared/register_tile
#import shared/ssd_chunk

/// u, and what `dots` multiplies the outputs of the carried state with.
@group(0) @binding(0) var<storage, read> samples0: array<Row>;
@group(0) @binding(1) var<storage, read> samples1: array<Row>;
/// B, by which samples enter the state, and C.
@group(0) @binding(2) var<storage, read> rows0: array<Row>;
@group(0) @binding(3) var<storage, read> rows1: array<Row>;
@group(0) @binding(11) var<storage, read_write> y: array<Row>;
@group(0) @binding(4) var<storage, read> delta: array<f32>;
@group(0) @binding(5) var<storage, read> A: array<f32>;
@group(0) @binding(6) var<storage, read> D: array<f32>;
@group(0) @binding(7) var<storage, read> x0: array<f32>;
@group(0) @binding(8) var<storage, read_write> state: array<f32>;
/// C as it comes, and turned: [batch, chunk, group, states, CHUNK].
@group(0) @binding(9) var<storage, read> rows: array<f32>;
@group(0) @binding(10) var<storage, read_write> turned: array<vec4f>;
@group(0) @binding(12) var<storage, read> turnedC: array<vec4f>;
/// C[i].B[j] as [batch, chunk, group, j, i].
@group(0) @binding(13) var<storage, read_write> scores: array<vec4f>;
@group(0) @binding(14) var<storage, read> pairs: array<vec4f>;
/// s in 64ths, the rest of s, w, exp(S - s) of a sample: [batch, chunk, head, CHUNK + 1]; the last
/// of a chunk is S, D, A.
@group(0) @binding(15) var<storage, read_write> rates: array<vec4f>;
@group(0) @binding(16) var<storage, read> rate: array<vec4f>;
/// Blocks of states and one vec4 of decays: for [batch, chunk, head], the state before the chunk
/// and the decay from the start of its run; then for [batch, run, head], the state after the run,
/// or before it, and the decay over it.
@group(0) @binding(17) var<storage, read_write> ends: array<vec4f>;
@group(0) @binding(18) var<storage, read> befores: array<vec4f>;
/// Products of samples1 and the outputs of the carried state: [part, batch, chunk, head, CHUNK].
@group(0) @binding(19) var<storage, read_write> dots: array<f32>;
@group(1) @binding(0) var<uniform> dims: Dims;
#import shared/ssd_rates
#import shared/ssd_runs
#import shared/ssd_outputs
