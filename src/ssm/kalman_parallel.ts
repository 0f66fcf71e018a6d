/**
 * The Kalman filter and the Rauch-Tung-Striebel smoother as associative scans.
 *
 * Särkkä and García-Fernández (arXiv 1905.13002), algorithms 1 and 2, with the elements of
 * `kalman_elements.ts`. The same answers as {@linkcode kalmanFilter} and
 * {@linkcode kalmanSmoother}, in an order of operations of which only a logarithm of the length is
 * sequential; on one thread they are the f64 statement of what a GPU does.
 *
 * A scan cannot start diffuse: its elements hold finite covariances. The head of a series up to
 * the time at which the infinite part is gone is filtered and smoothed sequentially, by the exact
 * diffuse recursions, and the scan runs over the rest.
 */
import { addScaled, congruence, invertCov, multiply, symmetrizeInto } from "./dense.ts";
import {
  beginFilter,
  covAt,
  type KalmanFiltered,
  type KalmanOutputs,
  meanAt,
  predictInto,
} from "./kalman.ts";
import { filterStepInto } from "./kalman.ts";
import {
  beliefElement,
  filterElement,
  filterMonoid,
  type SmootherElement,
  smootherElement,
  smootherMonoid,
} from "./kalman_elements.ts";
import {
  type Backward,
  type BackwardVisit,
  type KalmanSmoothed,
  stateInto,
} from "./kalman_smoother.ts";
import { walkBack, zeroBackward } from "./kalman_smoother.ts";
import { type KalmanStart, type KalmanSystem, sliceAt } from "./kalman_system.ts";
import { type Monoid, scanChunked } from "./monoid.ts";

/** Samples of a chunk of the scans where the caller names none. */
const CHUNK = 64;

/**
 * Filters a series by a scan.
 *
 * @param observations NaN is a missing value                             [length, observed]
 * @param chunk        samples a chunk of the scan, ≥ 1
 * @throws {ShapeError} an array of the system has another length
 * @throws {RangeError} after the diffuse head an observation has no noise, its own or that of the
 *         step before it (the sequential filter can do with less)
 */
export function kalmanFilterParallel(
  system: KalmanSystem,
  start: KalmanStart,
  observations: Float64Array,
  chunk = CHUNK,
): KalmanFiltered {
  const { sizes } = system;
  const { state, observed } = sizes;
  const { out, diffuseLength: head } = beginFilter(system, start, observations);
  if (head < out.length) {
    filterStepInto(out, head, sliceAt(system, head), observations, 0);
    const first = beliefElement(
      meanAt(out.filteredMean, head, state),
      covAt(out.filteredCov, head, state),
    );
    const elements = [first];
    for (let t = head + 1; t < out.length; t++) {
      const y = meanAt(observations, t, observed);
      elements.push(filterElement(sliceAt(system, t - 1), sliceAt(system, t), y, sizes));
    }
    const beliefs = scanChunked(filterMonoid(state), elements, chunk);
    for (let t = head + 1; t < out.length; t++) {
      const { b: before, cov: covBefore } = beliefs[t - head - 1]!;
      const { b: mean, cov } = beliefs[t - head]!;
      predictFrom(out, t - 1, system, before, covBefore);
      filterStepInto(out, t, sliceAt(system, t), observations, 0);
      out.filteredMean.set(mean, t * state);
      out.filteredCov.set(cov, t * state * state);
    }
    const last = beliefs.at(-1)!;
    predictFrom(out, out.length - 1, system, last.b, last.cov);
  }
  return { ...out, diffuseLength: head };
}

function predictFrom(
  out: KalmanOutputs,
  t: number,
  system: KalmanSystem,
  mean: Float64Array,
  cov: Float64Array,
): void {
  const belief = { mean, cov, diffuseCov: new Float64Array(cov.length) };
  predictInto(out, t, sliceAt(system, t), belief, 0);
}

/**
 * Smooths a filtered series by a scan from its end.
 *
 * @param filtered     what a filter found with the same system and observations
 * @param observations NaN is a missing value                             [length, observed]
 * @param chunk        samples a chunk of the scan, ≥ 1
 * @throws {RangeError} a predicted covariance after the diffuse head is singular (the sequential
 *         smoother, which inverts none, can do with that)
 */
export function kalmanSmootherParallel(
  system: KalmanSystem,
  filtered: KalmanFiltered,
  observations: Float64Array,
  chunk = CHUNK,
): Pick<KalmanSmoothed, "mean" | "cov"> {
  const { sizes } = system;
  const { state } = sizes;
  const { length, diffuseLength: head } = filtered;
  const out = {
    mean: new Float64Array(length * state),
    cov: new Float64Array(length * state * state),
  };
  const beliefAt = (t: number) =>
    [meanAt(filtered.filteredMean, t, state), covAt(filtered.filteredCov, t, state)] as const;
  if (head < length) {
    const [mean, cov] = beliefAt(length - 1);
    // The last state has none after it, so its element forgets.
    const last: SmootherElement = { E: new Float64Array(state * state), g: mean, cov };
    const elements = [last];
    for (let t = length - 2; t >= head; t--) {
      elements.push(smootherElement(sliceAt(system, t), ...beliefAt(t), sizes));
    }
    scanChunked(fromTheEnd(smootherMonoid(state)), elements, chunk).forEach(({ g, cov }, i) => {
      out.mean.set(g, (length - 1 - i) * state);
      out.cov.set(cov, (length - 1 - i) * state * state);
    });
  }
  smoothHeadInto(out, system, filtered, observations);
  return out;
}

/**
 * Smooths the diffuse head of a series whose other times are smoothed already.
 *
 * @param out          smoothed from `filtered.diffuseLength` on; filled before it
 * @param observations NaN is a missing value                             [length, observed]
 * @param also         called at each time of the head, from its last
 * @throws {RangeError} the predicted covariance behind the head is singular
 */
export function smoothHeadInto(
  out: Pick<KalmanSmoothed, "mean" | "cov">,
  system: KalmanSystem,
  filtered: KalmanFiltered,
  observations: Float64Array,
  also: (visit: BackwardVisit) => void = () => {},
): void {
  const { length, diffuseLength: head } = filtered;
  if (head === 0) return;
  const sums = head < length ? sumsBefore(head, filtered, out) : zeroBackward(system.sizes.state);
  walkBack({ system, filtered, observations }, head, sums, (visit) => {
    stateInto(out, visit.t, filtered, visit.before);
    also(visit);
  });
}

/** The operator for a list that runs from the last sample to the first. */
function fromTheEnd<Element>(monoid: Monoid<Element>): Monoid<Element> {
  return {
    identity: monoid.identity,
    combine: (later, earlier) => monoid.combine(earlier, later),
  };
}

/** r = P⁻¹·(smoothed − predicted mean), N = P⁻¹·(P − smoothed covariance)·P⁻¹ before a time. */
function sumsBefore(
  t: number,
  filtered: KalmanFiltered,
  smoothed: Pick<KalmanSmoothed, "mean" | "cov">,
): Backward {
  const { state } = filtered.sizes;
  const cov = covAt(filtered.predictedCov, t, state);
  const { inverse } = invertCov(cov, state);
  const moved = addScaled(
    meanAt(smoothed.mean, t, state),
    meanAt(filtered.predictedMean, t, state),
    -1,
  );
  const lost = symmetrizeInto(addScaled(cov, covAt(smoothed.cov, t, state), -1), state);
  return {
    ...zeroBackward(state),
    r0: multiply(inverse, moved, state, state, 1),
    N0: congruence(inverse, lost, state, state),
  };
}
