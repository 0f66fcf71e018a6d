// Gradients of B and C of a selective scan, which are sums over features: over a team's Rows in a
// subgroup, then over the teams of a workgroup. Bindings and the layout of the work:
// fast/selective_scan_backward.wgsl.

/// What each team gives to the gradients of B and of C in each step.
var<workgroup> shares: array<array<array<f32, ${8 * QUADS * PARTS}>, TILE>, ${LANES / TEAM}>;

/// The row of a group's shares that belongs to a workgroup's features before its first step.
fn shareRow(place: Place, tile: u32, owner: u32, groups: u32) -> u32 {
  let tilesOfGroup = (dims.rows + LANES - 1u) / LANES / groups;
  return (tile % tilesOfGroup * dims.batch * dims.length + place.first) * groups + owner;
}

/// Adds what the teams gave to a tile's gradients of B and C, and writes it.
fn writeShares(place: Place, local: u32, base: u32, rowOfB: u32, rowOfC: u32) {
#for i in 0..(TILE * 8 * QUADS * PARTS + LANES * PARTS - 1) / (LANES * PARTS)
  {
    let i = local + ${i}u * INVOCATIONS;
    let l = i / ${8 * QUADS * PARTS}u;
    let n = i % ${8 * QUADS * PARTS}u;
    if (l < TILE && base + l < place.steps) {
      var sum = 0.0;
#for team in 0..LANES / TEAM
      sum += shares[${team}][l][n];
#end
      // The first half is of B, the second of C.
      if (n < 4u * WIDTH) {
        sharesOfB[(rowOfB + (base + l) * dims.groupB) * 4u * WIDTH + n] = sum;
      } else {
        sharesOfC[(rowOfC + (base + l) * dims.groupC) * 4u * WIDTH + n - 4u * WIDTH] = sum;
      }
    }
  }
#end
}

/// Sums over a team's Rows: each lane ends with a part of the quads of B and C, and stages it.
fn shareQuads(place: Place, l: u32, quad: u32, ofB: vec4f, ofC: vec4f) {
  let team = place.lane / TEAM;
  let member = place.lane % TEAM;
#if TEAM == 1
  let at = 4u * quad;
#for n in 0..4
  shares[team][l][at + ${n}u] = ofB[${n}];
  shares[team][l][at + 4u * WIDTH + ${n}u] = ofC[${n}];
#end
#else
  let isC = (member & 1u) != 0u;
  let four = select(ofB, ofC, isC) + subgroupShuffleXor(select(ofC, ofB, isC), ${PARTS}u);
  let at = select(0u, 4u * WIDTH, isC) + 4u * quad;
#if TEAM == 2
#for n in 0..4
  shares[team][l][at + ${n}u] = four[${n}];
#end
#else
  let isLate = (member & 2u) != 0u;
  let two = select(four.xy, four.zw, isLate)
    + subgroupShuffleXor(select(four.zw, four.xy, isLate), ${2 * PARTS}u);
  let atTwo = at + select(0u, 2u, isLate);
#if TEAM == 4
  shares[team][l][atTwo] = two.x;
  shares[team][l][atTwo + 1u] = two.y;
#else
  let isOdd = (member & 4u) != 0u;
  let one = select(two.x, two.y, isOdd)
    + subgroupShuffleXor(select(two.y, two.x, isOdd), ${4 * PARTS}u);
  shares[team][l][atTwo + select(0u, 1u, isOdd)] = one;
#end
#end
#end
}
