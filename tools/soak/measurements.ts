// What a server costs while it runs: memory, descriptors and mappings of all its processes together, and how that changes.
import { readdirSync, readFileSync } from "node:fs";

/** The quantities, their units, and how much more than natively one may grow by: the noise of allocators. */
export const quantities = {
  processes: { unit: "", tolerance: 0.5 },
  threads: { unit: "", tolerance: 1 },
  descriptors: { unit: "", tolerance: 2 },
  mappings: { unit: "", tolerance: 8 },
  resident: { unit: "KiB", tolerance: 4096 },
  addressSpace: { unit: "KiB", tolerance: 16384 },
} as const;

export type Quantity = keyof typeof quantities;
export type Sample = Record<Quantity, number> & { seconds: number };

/** The process and all that descend from it. A process whose parent has ended is not found: init is its parent. */
export function familyOf(root: number): number[] {
  const childrenOf = new Map<number, number[]>();
  for (const name of readdirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    const stat = read(`/proc/${name}/stat`);
    // The name may hold blanks and brackets: fields count from the last bracket. proc_pid_stat(5).
    const [state, parent] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    if (!parent || state === "Z" || state === "X") continue;
    childrenOf.set(Number(parent), [...(childrenOf.get(Number(parent)) ?? []), Number(name)]);
  }
  const family = [root];
  for (const pid of family) family.push(...(childrenOf.get(pid) ?? []));
  return family;
}

/** The sums over a family. A process that ends while it is looked at counts for nothing. */
export function measure(family: readonly number[], seconds: number): Sample {
  const sum: Sample = { seconds, processes: 0, threads: 0, descriptors: 0, mappings: 0, resident: 0, addressSpace: 0 };
  for (const pid of family) {
    const status = read(`/proc/${pid}/status`);
    const field = (name: string): number => Number(status.match(new RegExp(`^${name}:\\s+(\\d+)`, "m"))?.[1] ?? 0);
    if (field("VmSize") === 0) continue;
    sum.processes++;
    sum.threads += field("Threads");
    sum.descriptors += count(`/proc/${pid}/fd`);
    sum.mappings += read(`/proc/${pid}/maps`).split("\n").length - 1;
    sum.resident += field("VmRSS");
    sum.addressSpace += field("VmSize");
  }
  return sum;
}

export interface Trend {
  /** The medians of the first and of the last third of the samples. */
  first: number;
  last: number;
  /** The least squares' slope over all samples. */
  perHour: number;
  /** Even the least of the last third is more than the greatest of the first third. */
  rises: boolean;
}

/** What is left of the samples once the first fifth, in which caches and pools fill, is taken away. */
export function trendOf(quantity: Quantity, all: readonly Sample[]): Trend | null {
  const samples = all.slice(Math.ceil(all.length / 5));
  if (samples.length < 6) return null;
  const values = samples.map((sample) => sample[quantity]);
  const third = Math.floor(values.length / 3);
  const early = values.slice(0, third);
  const late = values.slice(-third);
  return {
    first: median(early),
    last: median(late),
    perHour: 3600 * slope(samples.map(({ seconds }, i) => [seconds, values[i]!])),
    rises: Math.min(...late) > Math.max(...early),
  };
}

/** Whether a quantity rises under Flicker by more than half again what it rises by natively. */
export function leaks(quantity: Quantity, native: Trend | null, flicker: Trend | null): boolean {
  if (!native || !flicker?.rises) return false;
  const growth = (trend: Trend): number => Math.max(0, trend.last - trend.first);
  return growth(flicker) > 1.5 * growth(native) + quantities[quantity].tolerance;
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)]!;
}

function slope(points: readonly (readonly [number, number])[]): number {
  const mean = (index: 0 | 1): number => points.reduce((sum, point) => sum + point[index], 0) / points.length;
  const [meanX, meanY] = [mean(0), mean(1)];
  const spread = points.reduce((sum, [x]) => sum + (x - meanX) ** 2, 0);
  return spread === 0 ? 0 : points.reduce((sum, [x, y]) => sum + (x - meanX) * (y - meanY), 0) / spread;
}

function read(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

function count(directory: string): number {
  try {
    return readdirSync(directory).length;
  } catch {
    return 0;
  }
}
