import type { Detector } from "./detector.ts";
import { multiscale } from "./multiscale.ts";

/** Every detector by name; the first is the default. */
export const detectors: readonly Detector[] = [multiscale];
