// The C library of this machine as input for the planner: its text, where its instructions start, and its `syscall`s.

import { Code } from "iced-x86";
import { existsSync, readFileSync } from "node:fs";
import { PROT_EXEC, PROT_READ, PROT_WRITE, type SimulatedProcess } from "../../src/host/simulated-process.js";
import { linearBoundaries } from "./checker.js";
import type { ClusterInput } from "./planner-module.js";

const PLACES = [
  "/lib/x86_64-linux-gnu/libc.so.6",
  "/lib64/libc.so.6",
  "/usr/lib/libc.so.6",
  "/lib/ld-musl-x86_64.so.1",
];

/** Slack that the engine gives a cluster on each side of a site. */
const SLACK = 160;

export interface Libc {
  path: string;
  /** Loadable segments: offsets from the load address. */
  segments: { offset: number; size: number; protection: number; contents: Uint8Array }[];
  size: number;
  /** `.text`. */
  text: Uint8Array;
  textOffset: number;
  starts: number[];
  sites: number[];
}

/** The machine's libc, or undefined where none of the usual places has one. */
export function readLibc(): Libc | undefined {
  const path = PLACES.find((place) => existsSync(place));
  if (path === undefined) return undefined;
  const file = readFileSync(path);
  const u64 = (at: number): number => Number(file.readBigUInt64LE(at));

  const segments: Libc["segments"] = [];
  for (let i = 0; i < file.readUInt16LE(56); i++) {
    const header = u64(32) + 56 * i;
    if (file.readUInt32LE(header) !== 1) continue;
    const flags = file.readUInt32LE(header + 4);
    const protection = (flags & 4 ? PROT_READ : 0) | (flags & 2 ? PROT_WRITE : 0) | (flags & 1 ? PROT_EXEC : 0);
    const contents = file.subarray(u64(header + 8), u64(header + 8) + u64(header + 32));
    segments.push({ offset: u64(header + 16), size: u64(header + 40), protection, contents });
  }

  const names = u64(40) + 64 * file.readUInt16LE(62);
  for (let i = 0; i < file.readUInt16LE(60); i++) {
    const header = u64(40) + 64 * i;
    const name = u64(names + 24) + file.readUInt32LE(header);
    if (file.toString("latin1", name, file.indexOf(0, name)) !== ".text") continue;
    const text = Uint8Array.from(file.subarray(u64(header + 24), u64(header + 24) + u64(header + 32)));
    const instructions = linearBoundaries(text, 0n);
    const last = segments[segments.length - 1]!;
    return {
      path,
      segments,
      size: last.offset + last.size,
      text,
      textOffset: u64(header + 16),
      starts: instructions.map((instruction) => instruction.offset),
      sites: instructions.filter(({ code }) => code === Code.Syscall).map((instruction) => instruction.offset),
    };
  }
  return undefined;
}

/** Loads the library at `base`. */
export function mapLibc(libc: Libc, process: SimulatedProcess, base: bigint): void {
  for (const segment of libc.segments) {
    process.map(base + BigInt(segment.offset), segment.size, segment.protection, segment.contents);
  }
}

/** Sites in clusters with slack, as the engine's scanner makes them. */
export function clustersOf(libc: Libc, base: bigint, sites: number[]): ClusterInput[] {
  const ranges: { start: number; end: number; sites: number[] }[] = [];
  for (const site of sites) {
    const start = Math.max(0, site - SLACK);
    const end = Math.min(libc.text.length, site + SLACK);
    const last = ranges[ranges.length - 1];
    if (last && start <= last.end) {
      last.end = end;
      last.sites.push(site);
    } else {
      ranges.push({ start, end, sites: [site] });
    }
  }
  let from = 0;
  return ranges.map(({ start, end, sites: own }) => {
    while (libc.starts[from]! < start) from++;
    const boundaries: number[] = [];
    for (let i = from; i < libc.starts.length && libc.starts[i]! < end; i++) boundaries.push(libc.starts[i]! - start);
    return {
      address: base + BigInt(libc.textOffset + start),
      code: libc.text.subarray(start, end),
      boundaries,
      sites: own.map((site) => site - start),
    };
  });
}
