/** The neural forecaster: what it sees of a series, and its network. */
export { type ContextFeatures, contextFeatures } from "./context_features.ts";
export { featureStart, type FeatureState, seasonClock, takeLead, takeSample } from "./features.ts";
export { ANCHORS, LEAD_FEATURES, leadRows, LEVELS, TOKEN_FEATURES } from "./shapes.ts";
export type { LeadRows } from "./shapes.ts";
export { networkOf, NEURAL_PRESETS, NEURAL_VERSION, parseNeural } from "./network.ts";
export type { Absorbed, Network, NeuralBatch, NeuralBatchSizes } from "./network.ts";
export type { NeuralConfig, NeuralInput } from "./network.ts";
