// The planner as wasm in Node, on a simulated process, with the steps of a caller of patch/plan.ts: copy a cluster in,
// plan, commit, write the clusters back.

import { compileAssemblyScript } from "../../src/backend/compile-assemblyscript.js";
import { SimulatedProcess } from "../../src/host/simulated-process.js";

interface PlannerExports {
  memory: WebAssembly.Memory;
  /** As the engine plans system calls, or, in bulk, instructions. */
  begin(trampolineSize: number, isInBulk: boolean): void;
  boundTrampolines(low: bigint, high: bigint): void;
  addCluster(address: bigint, size: number): number;
  plan(cluster: number, offsets: number, count: number, fates: number): number;
  commitPlan(): number;
  endPlan(): void;
  abandonPlan(): void;
  avoid(start: bigint, end: bigint): number;
  avoidNothing(): void;
  countSlots(): number;
  releaseEmptySlots(): void;
  carryLocks(locks: number, start: bigint, size: number): void;
  countRecords(kind: number): number;
  findSite(site: bigint): number;
  findVictim(address: bigint): number;
  findTrampoline(address: bigint): number;
  translateTo(record: number, rip: bigint): bigint;
  forgetRange(start: bigint, end: bigint): void;
  restoreCopy(pointer: number, start: bigint, size: number): void;
  widenToPatches(range: number): void;
  allocate(size: number, align: number): number;
  allocateTemporary(size: number): number;
  releaseTemporary(mark: number): void;
  remaining(): number;
  temporaryMark(): number;
  relocateOne(pointer: number, size: number, address: bigint, to: number, target: bigint): number;
}

export const FATES = ["B0", "B1", "B2", "T1", "T2", "T3"] as const;
export type Fate = (typeof FATES)[number];

export const SITE = 1;
export const VICTIM = 2;
export const STUB = 3;
export const RELAY = 4;
export const ENTERED_BY_CALL = 1;

/** A record as src/engine/patch/record.ts draws it. */
export interface Trampoline {
  address: bigint;
  original: bigint;
  size: number;
  kind: number;
  length: number;
  done: number;
  entry: number;
  cookie: number;
}

/** One piece of code for a plan. Offsets are from its start. */
export interface ClusterInput {
  address: bigint;
  code: Uint8Array;
  boundaries: number[];
  sites: number[];
  /** Offsets that must not be touched. */
  locked?: number[];
  cookie?: number;
}

export interface PlannedCluster {
  input: ClusterInput;
  pointer: number;
  result: number;
  fates: Fate[];
}

let compiled: Promise<WebAssembly.Module> | undefined;

// Offsets in `Cluster` (src/engine/patch/cluster.ts).
const CLUSTER_CODE = 12;
const CLUSTER_BOUNDARY = 16;
const CLUSTER_LOCKS = 20;
const CLUSTER_COOKIE = 24;

export class Planner {
  private constructor(
    readonly exports: PlannerExports,
    readonly process: SimulatedProcess,
  ) {}

  static async create(process = new SimulatedProcess()): Promise<Planner> {
    compiled ??= compileAssemblyScript("test/patch/planner.as.ts").then((wasm) =>
      WebAssembly.compile(wasm as BufferSource),
    );
    const instance = await WebAssembly.instantiate(await compiled, { process: process.imports() });
    const exports = instance.exports as unknown as PlannerExports;
    process.memory = exports.memory;
    return new Planner(exports, process);
  }

  bytes(pointer: number, size: number): Uint8Array {
    return new Uint8Array(this.exports.memory.buffer, pointer, size);
  }

  private word(pointer: number): number {
    return new DataView(this.exports.memory.buffer).getUint32(pointer, true);
  }

  /** Adds a cluster to the open plan and plans its sites. */
  planCluster(input: ClusterInput): PlannedCluster {
    const size = input.code.length;
    const pointer = this.exports.addCluster(input.address, size);
    if (pointer === 0) throw new Error("the engine's memory is out");
    this.bytes(this.word(pointer + CLUSTER_CODE), size).set(input.code);
    const boundary = this.bytes(this.word(pointer + CLUSTER_BOUNDARY), size);
    for (const offset of input.boundaries) boundary[offset] = 1;
    const locks = this.bytes(this.word(pointer + CLUSTER_LOCKS), size);
    for (const offset of input.locked ?? []) locks[offset] = 1;
    new DataView(this.exports.memory.buffer).setUint32(pointer + CLUSTER_COOKIE, input.cookie ?? 0, true);

    const count = input.sites.length;
    const mark = this.exports.temporaryMark();
    const offsets = this.exports.allocateTemporary(4 * count + 4);
    const fates = this.exports.allocateTemporary(count + 1);
    const view = new DataView(this.exports.memory.buffer);
    input.sites.forEach((offset, i) => view.setUint32(offsets + 4 * i, offset, true));
    const result = this.exports.plan(pointer, offsets, count, fates);
    const out = [...this.bytes(fates, count)].map((fate) => FATES[fate]!);
    this.exports.releaseTemporary(mark);
    return { input, pointer, result, fates: out };
  }

  /** The cluster's code as planned. */
  planned(cluster: PlannedCluster): Uint8Array {
    return this.bytes(this.word(cluster.pointer + CLUSTER_CODE), cluster.input.code.length).slice();
  }

  /** Plans and commits clusters of code that is in the process, and writes them back. Gives fates, or -errno. */
  patch(clusters: ClusterInput[], trampolineSize: number, isInBulk = false): PlannedCluster[] | number {
    this.exports.begin(trampolineSize, isInBulk);
    const out = [...clusters].reverse().map((input) => this.planCluster(input));
    out.reverse();
    const result = this.exports.commitPlan();
    if (result !== 0) return result;
    for (const cluster of out) this.process.overwrite(cluster.input.address, this.planned(cluster));
    this.exports.endPlan();
    return out;
  }

  record(pointer: number): Trampoline {
    const view = new DataView(this.exports.memory.buffer);
    return {
      address: view.getBigUint64(pointer, true),
      original: view.getBigUint64(pointer + 8, true),
      size: view.getUint16(pointer + 48, true),
      kind: view.getUint8(pointer + 50),
      length: view.getUint8(pointer + 51),
      done: view.getUint8(pointer + 53),
      entry: view.getUint8(pointer + 55),
      cookie: view.getUint32(pointer + 44, true),
    };
  }

  findTrampoline(address: bigint): Trampoline | undefined {
    const pointer = this.exports.findTrampoline(address);
    return pointer === 0 ? undefined : this.record(pointer);
  }

  findSite(site: bigint): Trampoline | undefined {
    const pointer = this.exports.findSite(site);
    return pointer === 0 ? undefined : this.record(pointer);
  }
}
