/** The hub of the pretraining series: generators, recipes, packed real series, draws. */
export type { Draft, Generator } from "./generator.ts";
export { generatorByName, GENERATORS } from "./generators.ts";
export { DEFAULT_RECIPE, parseRecipe, type Recipe } from "./recipe.ts";
export {
  DECIMATIONS,
  encodePack,
  type PackedSeries,
  parsePack,
  type RealPack,
} from "./real_pack.ts";
export { type DrawnSeries, drawSeries, JITTER_MAX } from "./draw_series.ts";
export { SEASON_MAX, type SeasonFinder } from "./hints.ts";
