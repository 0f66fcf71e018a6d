import type { AnyLayer } from "../../layers/mod.ts";

/** What a row is found out from: the two forms and the state, whoever they belong to. */
export type TwoForms = Pick<
  AnyLayer,
  "name" | "papers" | "init" | "forward" | "initialState" | "step" | "stateBytes"
>;
