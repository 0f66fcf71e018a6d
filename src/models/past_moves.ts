/**
 * How much farther values have moved over far leads than over the horizon.
 *
 * Errors are learned for the leads of the horizon alone. Farther out the point is what members
 * expect there, mostly the season again or a trend that has been damped, so a series that went on
 * rising in the past will leave it by as much as it left its own seasons there:
 *
 *   D(lag) = mean |y(t) − y(t − lag)|, lag a multiple of the season
 *   Δ(lead) = max(0, D(lead)² − D(horizon)²)
 *
 * Between the lags D² is a straight line in lag², and so it is below the first: what rises steadily
 * has D² = a + b·lag². A stationary series has Δ = 0, a random walk the variance that the leads
 * beyond the horizon add, and a trend the square of what it rises.
 */

/** Lags are at most this share of the past: each is then averaged over as many pairs at least. */
const LAG_SHARE_MAX = 0.5;
/** Lags at which D is taken: each is about this many times the one before. */
const LAG_STEP = 1.5;

/** Mean |y(t) − y(t − lag)| over all of the values. */
function meanMove(values: ArrayLike<number>, length: number, lag: number): number {
  let sum = 0;
  for (let t = lag; t < length; t++) sum += Math.abs(values[t]! - values[t - lag]!);
  return sum / (length - lag);
}

/** What the past says of leads beyond a horizon. */
export interface PastMoves {
  /** Δ of a lead, in squares of the values' unit; of a longer one than `farthest` that of it. */
  readonly moveOf: (lead: number) => number;
  /** Longest lag that the past tells of. */
  readonly farthest: number;
}

/** The longest season of which the past holds two lags; 1 where there is none. */
function seasonOf(seasons: readonly number[], most: number): number {
  return seasons.reduce(
    (longest, slots) => 2 * slots <= most ? Math.max(longest, slots) : longest,
    1,
  );
}

/**
 * @param values   evenly spaced, oldest first                                         [length]
 * @param seasons  found ones, in slots: the longest explains the most of how values move
 * @param horizon  slots, from which Δ is counted
 * @param wanted   the longest lead that will be asked for
 */
export function pastMoves(
  values: ArrayLike<number>,
  length: number,
  { seasons, horizon, wanted }: {
    readonly seasons: readonly number[];
    readonly horizon: number;
    readonly wanted: number;
  },
): PastMoves {
  const season = seasonOf(seasons, length * LAG_SHARE_MAX);
  const first = Math.max(1, Math.floor(horizon / season)) * season;
  const most = Math.floor(length * LAG_SHARE_MAX / season) * season;
  const last = Math.min(most, Math.max(first + season, Math.ceil(wanted / season) * season));
  if (last <= first) return { moveOf: () => 0, farthest: horizon };
  const lags = [first];
  for (let lag = first; lag < last; lags.push(lag)) {
    lag = Math.min(last, Math.max(lag + season, Math.round(lag * LAG_STEP / season) * season));
  }
  const squares = lags.map((lag) => meanMove(values, length, lag) ** 2);
  const squareAt = (lead: number) => {
    const above = lags.findIndex((lag, i) => i > 0 && (lag >= lead || lag === last));
    const [low, high] = [lags[above - 1]!, lags[above]!];
    const share = (lead * lead - low * low) / (high * high - low * low);
    return squares[above - 1]! * (1 - share) + squares[above]! * share;
  };
  const start = squareAt(horizon);
  const moveOf = (lead: number) => Math.max(0, squareAt(Math.min(last, lead)) - start);
  return { moveOf, farthest: last };
}
