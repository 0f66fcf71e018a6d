import type { EvaluationLine, MetricsLine } from "../training/trainer.ts";
import { isEvaluation } from "../training/metrics_lines.ts";
import { EventHub, type Subscription } from "./events.ts";

/** Lines of metrics that a feed keeps; beyond, every second one is left out. */
export const FEED_LINES_MAX = 4_096;

/** What is known of a training from the start. */
export interface TrainingAbout {
  /** Folder that it writes. */
  readonly output: string;
  readonly device: string;
  /** Steps in all. */
  readonly steps: number;
  readonly parameters: number;
}

/** A training as somebody sees it who comes in the middle. */
export interface TrainingSnapshot {
  readonly about: TrainingAbout;
  /** `running`, or how it ended. */
  readonly state: string;
  readonly metrics: readonly MetricsLine[];
  readonly evaluations: readonly EvaluationLine[];
}

/** The one topic of the feed's hub. */
const TOPIC = "training";

/** Every second line, the last one among them. */
function thinned<T>(lines: readonly T[]): T[] {
  return lines.filter((_, i) => (lines.length - 1 - i) % 2 === 0);
}

/** Tells the lines of one training to those who watch it. A slow watcher never holds it up. */
export class TrainingFeed {
  readonly #hub = new EventHub();
  readonly #about: TrainingAbout;
  #metrics: MetricsLine[] = [];
  #evaluations: EvaluationLine[] = [];
  #state = "running";

  constructor(about: TrainingAbout) {
    this.#about = about;
  }

  /** Whether somebody watches. */
  get isWatched(): boolean {
    return this.#hub.subscriberCount > 0;
  }

  /** Takes a line of the metrics file. */
  add(line: MetricsLine | EvaluationLine): void {
    if (isEvaluation(line)) {
      this.#evaluations.push(line);
      if (this.#evaluations.length > FEED_LINES_MAX) this.#evaluations = thinned(this.#evaluations);
    } else {
      this.#metrics.push(line);
      if (this.#metrics.length > FEED_LINES_MAX) this.#metrics = thinned(this.#metrics);
    }
    this.#hub.publish(TOPIC, { kind: "metrics", data: { ...line } });
  }

  /** The training is over; watchers are told how, and let go. */
  end(state: string): void {
    this.#state = state;
    this.#hub.publish(TOPIC, { kind: "end", data: { state } });
    this.#hub.close();
  }

  /** All that is known now. */
  snapshot(): TrainingSnapshot {
    return {
      about: this.#about,
      state: this.#state,
      metrics: [...this.#metrics],
      evaluations: [...this.#evaluations],
    };
  }

  /** @throws {OverloadError} too many watch, or the training is over */
  subscribe(): Subscription {
    return this.#hub.subscribe(TOPIC);
  }

  unsubscribe(subscription: Subscription): void {
    this.#hub.unsubscribe(TOPIC, subscription);
  }
}
