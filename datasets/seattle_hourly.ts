import { segmentOfCsv } from "./_helpers/csv_columns.ts";
import { readVegaFile, VEGA_PACKAGE } from "./_helpers/vega_package.ts";
import type { Dataset } from "./dataset.ts";

const FILE = "seattle-weather-hourly-normals.csv";
const SHA256 = "3433511ab963755ec1a573420af962e713e66691c07c068f5a247e6891912311";

/**
 * One year of hourly temperature normals of Seattle (means of thirty years for each hour), in local
 * standard time; wind and pressure of the same table are left out.
 */
export const seattleHourly: Dataset = {
  name: "seattle-hourly",
  title: "Seattle temperature, hourly normals",
  origin: {
    package: VEGA_PACKAGE,
    file: FILE,
    sha256: SHA256,
    source: "NOAA National Climatic Data Center, U.S. Climate Normals 1981-2010",
    licence: "U.S. Government Dataset (public domain)",
  },
  sampleCount: 8759,
  units: { temperature: "Cel" },
  seasonLength: 24,
  load: async () =>
    segmentOfCsv(await readVegaFile(FILE, SHA256), {
      streamId: "seattle-hourly",
      time: "date",
      channels: { temperature: "temperature" },
      utcOffsetHours: -8,
    }),
};
