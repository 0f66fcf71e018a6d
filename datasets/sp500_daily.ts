import { segmentOfCsv } from "./_helpers/csv_columns.ts";
import { readVegaFile, VEGA_PACKAGE } from "./_helpers/vega_package.ts";
import type { Dataset } from "./dataset.ts";

const FILE = "sp500-2000.csv";
const SHA256 = "9409e9342d0657c747324e4cfabce8a8c7f663bc485b95a3378f36b0a160f8c8";

/** Closing values of the S&P 500 index on trading days, 2000 to 2020: the daily market series. */
export const sp500Daily: Dataset = {
  name: "sp500-daily",
  title: "S&P 500 at close, trading days",
  origin: {
    package: VEGA_PACKAGE,
    file: FILE,
    sha256: SHA256,
    source: "Yahoo Finance",
    licence: "None stated by the package for this file (the package: BSD-3-Clause)",
  },
  sampleCount: 5105,
  units: { close: "points" },
  seasonLength: 5,
  load: async () =>
    segmentOfCsv(await readVegaFile(FILE, SHA256), {
      streamId: "sp500-daily",
      time: "date",
      channels: { close: "close" },
    }),
};
