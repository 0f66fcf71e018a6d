import type { Segment } from "../src/signal/segment.ts";

/** Where a data set comes from and what may be done with it, as its package states. */
export interface DatasetOrigin {
  /** Package that carries the file; null where the samples are generated. */
  readonly package: string | null;
  /** File inside the package's `data` folder. */
  readonly file: string | null;
  /** SHA-256 of the file, hexadecimal; a file that differs is refused. */
  readonly sha256: string | null;
  /** Who measured it. */
  readonly source: string;
  /** Licence of the data, as the package's own metadata names it. */
  readonly licence: string;
}

/** The contract of every data set: a named, described series that loads as one segment. */
export interface Dataset {
  /** Name and default stream id: lower case, digits and hyphens. */
  readonly name: string;
  readonly title: string;
  readonly origin: DatasetOrigin;
  /** Samples of the whole series. */
  readonly sampleCount: number;
  /** Unit of each channel's values, by channel. */
  readonly units: Readonly<Record<string, string>>;
  /** Samples in the season of the naive baseline (24 for hours of a day); 1 = the last value. */
  readonly seasonLength: number;

  /**
   * Reads the whole series, oldest sample first.
   *
   * @throws {InvalidValueError} the file differs from the one that `origin` names
   */
  load(): Promise<Segment>;
}
