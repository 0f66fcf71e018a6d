import { segmentOfCsv } from "./_helpers/csv_columns.ts";
import { readVegaFile, VEGA_PACKAGE } from "./_helpers/vega_package.ts";
import type { Dataset } from "./dataset.ts";

const FILE = "seattle-weather.csv";
const SHA256 = "0845078a290b48e3149ab8639966824110a251db4e06fc144c06ebb534af23be";

/** Four years of the highest temperature of each day in Seattle, as observed. */
export const seattleDaily: Dataset = {
  name: "seattle-daily",
  title: "Seattle highest temperature, daily",
  origin: {
    package: VEGA_PACKAGE,
    file: FILE,
    sha256: SHA256,
    source: "NOAA National Climatic Data Center, daily records",
    licence: "U.S. Government Dataset (public domain)",
  },
  sampleCount: 1461,
  units: { temperature: "Cel" },
  seasonLength: 7,
  load: async () =>
    segmentOfCsv(await readVegaFile(FILE, SHA256), {
      streamId: "seattle-daily",
      time: "date",
      channels: { temperature: "temp_max" },
    }),
};
