// What a benchmark is. Each is one file beside this one, listed in main.ts.

import type { Result } from "./measure.js";

export interface Options {
  /** How many rounds, or null for the benchmark's own choice. */
  readonly rounds: number | null;
}

export interface Report {
  readonly unit: string;
  readonly results: readonly Result[];
  /** What a reader must know to judge the numbers: method, rounds, what is missing. One line each. */
  readonly notes: readonly string[];
}

export interface Benchmark {
  readonly name: string;
  /** One line. */
  readonly description: string;
  readonly run: (options: Options) => Report | Promise<Report>;
}
