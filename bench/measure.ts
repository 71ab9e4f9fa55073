// Interleaved rounds. In each round every variant is measured once, one after the other, so that a slow spell of the
// machine (other work, a lower clock) falls on all of them. A ratio is taken inside a round, against the round's own
// baseline, and what is printed is the median over the rounds.

import type { Table } from "./benchmark.js";

export interface Variant {
  readonly name: string;
  /** One measurement, in any unit that all variants of a benchmark share. */
  readonly measure: () => number;
}

export interface Result {
  readonly name: string;
  readonly median: number;
  readonly min: number;
  /** Median over the rounds of measurement / baseline's measurement; the first variant is the baseline. */
  readonly ratio: number;
}

export function median(values: readonly number[]): number {
  if (values.length === 0) throw new Error("the median of nothing");
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] as number;
  return sorted.length % 2 === 1 ? upper : (upper + (sorted[middle - 1] as number)) / 2;
}

/** Rows are rounds, columns are the variants with these names, the first the baseline. */
export function summarize(names: readonly string[], rounds: readonly (readonly number[])[]): Result[] {
  return names.map((name, column) => {
    const values = rounds.map((round) => round[column] as number);
    return {
      name,
      median: median(values),
      min: Math.min(...values),
      ratio: median(rounds.map((round) => (round[column] as number) / (round[0] as number))),
    };
  });
}

/** Measures all variants `count` times, after one round that warms caches up and does not count. */
export function interleave(variants: readonly Variant[], count: number): Result[] {
  const round = (): number[] => variants.map(({ measure }) => measure());
  round();
  return summarize(
    variants.map(({ name }) => name),
    Array.from({ length: count }, round),
  );
}

/** A row for each variant: median, least, and the ratio to the first. */
export function timeTable(unit: string, results: readonly Result[]): Table {
  return {
    header: ["", `median, ${unit}`, "least", "ratio"],
    rows: results.map(({ name, median, min, ratio }) => [name, median.toFixed(2), min.toFixed(2), ratio.toFixed(3)]),
  };
}
