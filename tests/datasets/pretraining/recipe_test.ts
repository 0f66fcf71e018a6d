import assert from "node:assert/strict";
import { DEFAULT_RECIPE, parseRecipe } from "../../../datasets/pretraining/recipe.ts";

Deno.test("parseRecipe() fills what is absent from the default", () => {
  const recipe = parseRecipe({ realShare: 0.1 });
  assert.equal(recipe.realShare, 0.1);
  assert.deepEqual(recipe.generators, DEFAULT_RECIPE.generators);
  assert.deepEqual(parseRecipe(JSON.parse(JSON.stringify(DEFAULT_RECIPE))), DEFAULT_RECIPE);
});

Deno.test("parseRecipe() refuses what it does not know", () => {
  assert.throws(() => parseRecipe(null), /recipe is "null"/);
  assert.throws(() => parseRecipe({ realShares: 0.1 }), /realShares/);
  assert.throws(() => parseRecipe({ realShare: 1.5 }), /recipe\.realShare is "1.5"/);
  assert.throws(() => parseRecipe({ realShare: 0.6, mixShare: 0.6 }), /at most 1/);
  assert.throws(() => parseRecipe({ generators: { weather: 1 } }), /weather/);
  assert.throws(() => parseRecipe({ generators: { seasonal: -1 } }), /generators\.seasonal/);
  assert.throws(() => parseRecipe({ generators: {} }), /a weight above 0/);
});
