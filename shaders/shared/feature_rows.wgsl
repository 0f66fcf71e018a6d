// Neighbouring features as one value: a Row of FEATURES of them is loaded, staged and stored whole.
#import shared/activation

#if FEATURES == 1
alias Row = f32;
/// Two Rows side by side: the size of a step, and what B is multiplied with.
alias Step = vec2f;

fn of0(row: Row) -> f32 {
  return row;
}

fn stepOf(dt: Row, drive: Row) -> Step {
  return Step(dt, drive);
}

fn dtOf(step: Step) -> Row {
  return step.x;
}

fn driveOf(step: Step) -> Row {
  return step.y;
}

fn softplusOf(x: Row) -> Row {
  return softplus(x);
}

fn softplusSlopeOf(x: Row) -> Row {
  return softplusSlope(x);
}

fn siluOf(x: Row) -> Row {
  return silu(x);
}

fn siluSlopeOf(x: Row) -> Row {
  return siluSlope(x);
}
#else
alias Row = vec2f;
alias Step = vec4f;

fn of0(row: Row) -> f32 {
  return row.x;
}

fn of1(row: Row) -> f32 {
  return row.y;
}

fn stepOf(dt: Row, drive: Row) -> Step {
  return Step(dt, drive);
}

fn dtOf(step: Step) -> Row {
  return step.xy;
}

fn driveOf(step: Step) -> Row {
  return step.zw;
}

fn softplusOf(x: Row) -> Row {
  return Row(softplus(x.x), softplus(x.y));
}

fn softplusSlopeOf(x: Row) -> Row {
  return Row(softplusSlope(x.x), softplusSlope(x.y));
}

fn siluOf(x: Row) -> Row {
  return Row(silu(x.x), silu(x.y));
}

fn siluSlopeOf(x: Row) -> Row {
  return Row(siluSlope(x.x), siluSlope(x.y));
}
#end

// PARTS invocations of a subgroup, side by side, hold sums of the same steps. They exchange what
// the others own: as many steps as there are parts go in, and part p comes out with step p's sum.

fn meet2(a: Row, b: Row, part: u32) -> Row {
  let isOdd = (part & 1u) != 0u;
  return select(a, b, isOdd) + subgroupShuffleXor(select(b, a, isOdd), 1u);
}

fn meet4(a: Row, b: Row, c: Row, d: Row, part: u32) -> Row {
  let isUpper = (part & 2u) != 0u;
  let even = select(a, c, isUpper) + subgroupShuffleXor(select(c, a, isUpper), 2u);
  let odd = select(b, d, isUpper) + subgroupShuffleXor(select(d, b, isUpper), 2u);
  return meet2(even, odd, part);
}

fn meet8(a: Row, b: Row, c: Row, d: Row, e: Row, f: Row, g: Row, h: Row, part: u32) -> Row {
  let isUpper = (part & 4u) != 0u;
  let first = select(a, e, isUpper) + subgroupShuffleXor(select(e, a, isUpper), 4u);
  let second = select(b, f, isUpper) + subgroupShuffleXor(select(f, b, isUpper), 4u);
  let third = select(c, g, isUpper) + subgroupShuffleXor(select(g, c, isUpper), 4u);
  let fourth = select(d, h, isUpper) + subgroupShuffleXor(select(h, d, isUpper), 4u);
  return meet4(first, second, third, fourth, part);
}
