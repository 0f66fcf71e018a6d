import { segmentOfCsv } from "./_helpers/csv_columns.ts";
import { readVegaFile, VEGA_PACKAGE } from "./_helpers/vega_package.ts";
import type { Dataset } from "./dataset.ts";

const FILE = "co2-concentration.csv";
const SHA256 = "c1a4a970864145940a28225cae288618b156cb32f9a2a1b6606ba7124134febb";

/**
 * Carbon dioxide at Mauna Loa, 1958 to 2020: the monthly climate series. Months without valid data
 * have no row, so some steps are two months long.
 */
export const co2Monthly: Dataset = {
  name: "co2-monthly",
  title: "Atmospheric CO2 at Mauna Loa, monthly",
  origin: {
    package: VEGA_PACKAGE,
    file: FILE,
    sha256: SHA256,
    source: "Scripps CO2 Program",
    licence: "Creative Commons Attribution 4.0",
  },
  sampleCount: 741,
  units: { co2: "ppm" },
  seasonLength: 12,
  load: async () =>
    segmentOfCsv(await readVegaFile(FILE, SHA256), {
      streamId: "co2-monthly",
      time: "Date",
      channels: { co2: "CO2" },
    }),
};
