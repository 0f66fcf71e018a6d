/** Sweeps of Jacobi rotations; convergence is quadratic, ten are plenty for states of hundreds. */
const SWEEPS_MAX = 60;

/** Share of the squared norm off the diagonal under which a matrix counts as diagonal. */
const OFF_DIAGONAL_SHARE = 1e-31;

/** Eigenvalues, ascending, and the eigenvectors of a Hermitian matrix. */
export interface HermitianEigen {
  /** Ascending.                                                                        [size] */
  readonly values: Float64Array;
  /** Real part of the unit eigenvectors, one a column.                          [size, size] */
  readonly vectorsRe: Float64Array;
  /** Imaginary part of the same.                                                 [size, size] */
  readonly vectorsIm: Float64Array;
}

/**
 * The eigen-decomposition of a Hermitian matrix by cyclic complex Jacobi rotations.
 *
 *   M = V · diag(values) · V*
 *
 * Golub and Van Loan, "Matrix Computations", section 8.5, with the phase of the pivot turned away
 * first so that each rotation is a real one. The phase of every eigenvector is arbitrary.
 *
 * @param re real part, symmetric                                                 [size, size]
 * @param im imaginary part, antisymmetric                                        [size, size]
 * @throws {RangeError} a value that is not finite, or no convergence
 */
export function eigenHermitian(re: Float64Array, im: Float64Array, size: number): HermitianEigen {
  const work = { re: re.slice(), im: im.slice(), size };
  const vectors = { re: new Float64Array(size * size), im: new Float64Array(size * size), size };
  for (let i = 0; i < size; i++) vectors.re[i * size + i] = 1;
  let scale = 0;
  for (let i = 0; i < work.re.length; i++) scale += work.re[i]! ** 2 + work.im[i]! ** 2;
  if (!Number.isFinite(scale)) throw new RangeError("Eigenvalues need finite values");
  for (let sweep = 0; offDiagonal(work) > scale * OFF_DIAGONAL_SHARE; sweep++) {
    if (sweep >= SWEEPS_MAX) {
      throw new RangeError(`Eigenvalues did not converge in ${SWEEPS_MAX} sweeps`);
    }
    for (let p = 0; p < size; p++) {
      for (let q = p + 1; q < size; q++) rotateInto(work, vectors, p, q);
    }
  }
  return sorted(work, vectors);
}

interface ComplexSquare {
  readonly re: Float64Array;
  readonly im: Float64Array;
  readonly size: number;
}

function offDiagonal({ re, im, size }: ComplexSquare): number {
  let sum = 0;
  for (let i = 0; i < size; i++) {
    for (let j = 0; j < size; j++) {
      if (i !== j) sum += re[i * size + j]! ** 2 + im[i * size + j]! ** 2;
    }
  }
  return sum;
}

/** One rotation that makes entry (p, q) zero: M ← J* M J, V ← V J. */
function rotateInto(m: ComplexSquare, v: ComplexSquare, p: number, q: number): void {
  const n = m.size;
  const a = m.re[p * n + q]!;
  const b = m.im[p * n + q]!;
  const modulus = Math.hypot(a, b);
  if (modulus === 0) return;
  const theta = (m.re[q * n + q]! - m.re[p * n + p]!) / (2 * modulus);
  const t = (theta >= 0 ? 1 : -1) / (Math.abs(theta) + Math.hypot(theta, 1));
  const cosine = 1 / Math.hypot(t, 1);
  const sine = t * cosine;
  // J = [[c, s·e], [−s·conj(e), c]] with e = the pivot's phase.
  const rotation = { cosine, re: (sine * a) / modulus, im: (sine * b) / modulus };
  rotateColumnsInto(m, p, q, rotation);
  rotateRowsInto(m, p, q, rotation);
  rotateColumnsInto(v, p, q, rotation);
  m.re[p * n + q] =
    m.im[p * n + q] =
    m.re[q * n + p] =
    m.im[q * n + p] =
      0;
}

interface Rotation {
  readonly cosine: number;
  readonly re: number;
  readonly im: number;
}

function rotateColumnsInto(m: ComplexSquare, p: number, q: number, r: Rotation): void {
  const { re, im, size } = m;
  for (let k = 0; k < size; k++) {
    const i = k * size + p;
    const j = k * size + q;
    const xr = re[i]!, xi = im[i]!, yr = re[j]!, yi = im[j]!;
    re[i] = r.cosine * xr - (r.re * yr + r.im * yi);
    im[i] = r.cosine * xi - (r.re * yi - r.im * yr);
    re[j] = r.cosine * yr + (r.re * xr - r.im * xi);
    im[j] = r.cosine * yi + (r.re * xi + r.im * xr);
  }
}

function rotateRowsInto(m: ComplexSquare, p: number, q: number, r: Rotation): void {
  const { re, im, size } = m;
  for (let k = 0; k < size; k++) {
    const i = p * size + k;
    const j = q * size + k;
    const xr = re[i]!, xi = im[i]!, yr = re[j]!, yi = im[j]!;
    re[i] = r.cosine * xr - (r.re * yr - r.im * yi);
    im[i] = r.cosine * xi - (r.re * yi + r.im * yr);
    re[j] = r.cosine * yr + (r.re * xr + r.im * xi);
    im[j] = r.cosine * yi + (r.re * xi - r.im * xr);
  }
}

function sorted(work: ComplexSquare, vectors: ComplexSquare): HermitianEigen {
  const n = work.size;
  const order = Array.from({ length: n }, (_, i) => i)
    .sort((i, j) => work.re[i * n + i]! - work.re[j * n + j]!);
  const values = new Float64Array(n);
  const vectorsRe = new Float64Array(n * n);
  const vectorsIm = new Float64Array(n * n);
  order.forEach((from, to) => {
    values[to] = work.re[from * n + from]!;
    for (let k = 0; k < n; k++) {
      vectorsRe[k * n + to] = vectors.re[k * n + from]!;
      vectorsIm[k * n + to] = vectors.im[k * n + from]!;
    }
  });
  return { values, vectorsRe, vectorsIm };
}
