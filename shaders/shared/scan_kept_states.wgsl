// The first pass of the way back through a selective scan: keep_states. What it keeps, and the
// layout of the work: fast/selective_scan_backward.wgsl.

@compute @workgroup_size(INVOCATIONS)
fn keep_states(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let place = placeOf(group, local);
  let quads = place.part * QUADS;
#for f in 0..FEATURES
#for v in 0..QUADS
  let a${f}_${v} = LOG2_E * A[(place.row * FEATURES + ${f}u) * WIDTH + quads + ${v}u];
#if HAS_X0 && !CHUNKED
  var x${f}_${v} =
    x0[((group.z * dims.rows + place.row) * FEATURES + ${f}u) * WIDTH + quads + ${v}u];
#else
  var x${f}_${v} = vec4f();
#end
#if FLOWS
  var reach${f}_${v} = vec4f(1.0);
  var flow${f}_${v} = vec4f();
#end
#end
#end
#if HAS_BIAS
  let bias = deltaBias[place.row];
#end
  var span = Row();
  let chunk = group.z * dims.chunks + group.y;
  var next = load(place, group, local, 0u);
  for (var base = 0u; base < place.steps; base += TILE) {
    let now = next;
#for i in 0..TILE / PARTS
    {
      var dt = now.delta${i};
#if HAS_BIAS
      dt += bias;
#end
#if SOFTPLUS
      dt = softplusOf(dt);
#end
      let inside = base + ${i * PARTS}u + place.part < place.steps;
      dt = select(Row(), dt, inside);
      tileStep[${i * PARTS}u + place.part][place.lane] = stepOf(dt, dt * now.u${i});
#if FLOWS
      var grad = now.gradY${i};
#if HAS_Z
      grad *= siluOf(now.z${i});
#end
      tileGrad[${i * PARTS}u + place.part][place.lane] = select(Row(), grad, inside);
#end
    }
#end
    stageQuads(local, now);
    workgroupBarrier();
    next = load(place, group, local, base + TILE);
#for l in 0..TILE
#if l % KEPT == 0
    if (place.known && base + ${l}u < place.steps) {
      let row = (chunk * dims.tiles + (base + ${l}u) / KEPT) * dims.rows + place.row;
#for f in 0..FEATURES
#for v in 0..QUADS
      kept[(row * FEATURES + ${f}u) * WIDTH + quads + ${v}u] = x${f}_${v};
#end
#end
#if CHUNKED
      if (place.part == 0u) {
        keptSpans[row] = span;
      }
#end
    }
#end
    {
      let step = tileStep[${l}][place.lane];
#if CHUNKED
      span += dtOf(step);
#end
#if FLOWS
      let grad = tileGrad[${l}][place.lane];
#end
#for v in 0..QUADS
      {
        let b = tileB[${l}][quads + ${v}u];
#if FLOWS
        let c = tileC[${l}][quads + ${v}u];
#end
#for f in 0..FEATURES
        {
          let decay = exp2(of${f}(dtOf(step)) * a${f}_${v});
          x${f}_${v} = fma(decay, x${f}_${v}, of${f}(driveOf(step)) * b);
#if FLOWS
          reach${f}_${v} *= decay;
          flow${f}_${v} = fma(reach${f}_${v}, of${f}(grad) * c, flow${f}_${v});
#end
        }
#end
      }
#end
    }
#end
    workgroupBarrier();
  }
#if CHUNKED
  if (place.known) {
    let at = (chunk * dims.rows + place.row) * FEATURES * WIDTH + quads;
#for f in 0..FEATURES
#for v in 0..QUADS
    starts[at + ${f}u * WIDTH + ${v}u] = x${f}_${v};
    flows[at + ${f}u * WIDTH + ${v}u] = flow${f}_${v};
#end
#end
    if (place.part == 0u) {
      spans[chunk * dims.rows + place.row] = span;
    }
  }
#end
}
