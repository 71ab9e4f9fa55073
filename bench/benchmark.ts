// What a benchmark is. Each is one file beside this one, listed in main.ts.

export interface Options {
  /** How many rounds, or null for the benchmark's own choice. */
  readonly rounds: number | null;
}

export interface Table {
  /** Above the table, where a benchmark has several. */
  readonly title?: string;
  readonly header: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

export interface Report {
  readonly tables: readonly Table[];
  /** What a reader must know to judge the numbers: method, rounds, what is missing. One line each. */
  readonly notes: readonly string[];
}

export interface Benchmark {
  readonly name: string;
  /** One line. */
  readonly description: string;
  readonly run: (options: Options) => Report | Promise<Report>;
}
