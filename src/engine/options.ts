// Options of `flicker run`, and how they travel through execve.
//
// A followed execve runs the launcher again: its argv is { HANDOVER_NAME, handover, path to open,
// path as the program knows it, seccomp filters (seccomp/handover.ts), the process's tally (hook/tally.ts), argv of the program... }. The
// handover string is: follow, traps, count, thoroughness (strict and exhaustive), statistics, debugging and gs digits, 1 when the program's name is its file's, 16 hexadecimal digits of the program's signal mask, the number of
// a descriptor to close in 8 hexadecimal digits (or ffffffff), those of the statistics' descriptor and of the launcher's likewise, 16 digits
// of the address of the engine's call site (seccomp/site.ts), a digit of the ring's state, 8 digits each of its host, its descriptor there and
// its descriptor here (ring/ring.ts), then the path of the statistics file.

import { siteAddress } from "./seccomp/site";
import { appendBytes, appendHex } from "./text";

export const STATS_NONE: u32 = 0;
export const STATS_TEXT: u32 = 1;
export const STATS_JSON: u32 = 2;

export const HANDOVER_NAME = "flicker-exec";
const HANDOVER_FIXED: usize = 89;
const PATH_MAX: usize = 4096;

export let followExec: bool = true;
/** Every site gets a trap, whatever fits: to test traps, and to see what they cost. */
export let onlyTraps: bool = false;
/** Every system call goes through the engine and is counted. */
export let countCalls: bool = false;
/** Instructions that match count how often they run (patch/site-counts.ts). */
export let countSites: bool = false;
/** What Flicker cannot answer for ends the process (patch/strict.ts). */
export let strict: bool = false;
/** Calls at sites that are not patched are caught by Syscall User Dispatch (kernel/user-dispatch.ts). */
export let exhaustive: bool = false;
/** Trampolines are named in /tmp/perf-PID.map (debug/perf-map.ts). */
export let perfMap: bool = false;
/** Trampolines are described to gdb (debug/gdb-jit.ts). */
export let gdbJit: bool = false;
/** gs base is set by system calls, as without FSGSBASE: to test that. */
export let noFsgsbase: bool = false;
/** gs base is the program's from the start (thread/gs-base.ts): to test that. */
export let yieldsGs: bool = false;
export let statsMode: u32 = 0; // STATS_NONE
/** Zero-terminated absolute path, or empty for standard error. */
export const statsFile = memory.data(4096, 8);

export function setFollowExec(value: bool): void {
  followExec = value;
}
export function setOnlyTraps(value: bool): void {
  onlyTraps = value;
}
export function setCountCalls(value: bool): void {
  countCalls = value;
}
export function setCountSites(value: bool): void {
  countSites = value;
}
export function setStrict(value: bool): void {
  strict = value;
}
export function setExhaustive(value: bool): void {
  exhaustive = value;
}
export function setPerfMap(value: bool): void {
  perfMap = value;
}
export function setGdbJit(value: bool): void {
  gdbJit = value;
}
export function setNoFsgsbase(value: bool): void {
  noFsgsbase = value;
}
export function setYieldsGs(value: bool): void {
  yieldsGs = value;
}
export function setStatsMode(value: u32): void {
  statsMode = value;
}

/** There is no ring: nobody reads records. */
export const RING_NONE: u32 = 0;
/** There is one, which this process maps. */
export const RING_USED: u32 = 1;
/** There is one, but not for this process, and what it executes: its hooks are not called. */
export const RING_SILENT: u32 = 2;
/** Added to the state: this process is not in the host's pid namespace. */
export const RING_ELSEWHERE: u32 = 4;
export let ringState: u32 = 0; // RING_NONE
/** The process that has made the ring, and its descriptor there. */
export let ringHost: u32 = 0;
export let ringFile: u32 = 0;
/** The descriptor of the ring that an execve has brought. */
export let ringDescriptor: u32 = 0xffffffff;
export function setRingState(state: u32): void {
  ringState = state;
}
export function setRingHost(host: u32, file: u32): void {
  ringState = RING_USED;
  ringHost = host;
  ringFile = file;
}

/** What a handover carries beside the options. */
export let handoverMask: u64 = 0;
export let handoverDescriptor: u32 = 0xffffffff;
export let handoverSite: u64 = 0;
export let isNamedByFile: bool = false;

/** "No descriptor" in a handover. */
export const NO_DESCRIPTOR: u32 = 0xffffffff;
/** The descriptor that statistics are written to, when they go to the standard error of the tree's first process. */
export let reportDescriptor: u32 = 0xffffffff;
export function setReportDescriptor(value: u32): void {
  reportDescriptor = value;
}
/** A descriptor of the launcher's file (kernel/held-files.ts). */
export let launcherDescriptor: u32 = 0xffffffff;
export function setLauncherDescriptor(value: u32): void {
  launcherDescriptor = value;
}

/**
 * Writes the handover string for an execve; gives the pointer behind its zero.
 * @param ring the ring's descriptor in the new process; NO_DESCRIPTOR if it has none
 */
export function writeHandover(at: usize, mask: u64, descriptor: u32, namedByFile: bool, ring: u32): usize {
  store<u8>(at++, followExec ? 49 : 48);
  store<u8>(at++, onlyTraps ? 49 : 48);
  store<u8>(at++, (48 + (countCalls ? 1 : 0) + (countSites ? 2 : 0)) as u8);
  store<u8>(at++, (48 + (strict ? 1 : 0) + (exhaustive ? 2 : 0)) as u8);
  store<u8>(at++, (48 + statsMode) as u8);
  store<u8>(at++, (48 + (perfMap ? 1 : 0) + (gdbJit ? 2 : 0)) as u8);
  store<u8>(at++, (48 + (noFsgsbase ? 1 : 0) + (yieldsGs ? 2 : 0)) as u8);
  store<u8>(at++, namedByFile ? 49 : 48);
  at = appendHex(at, mask, 16);
  at = appendHex(at, descriptor, 8);
  at = appendHex(at, reportDescriptor, 8);
  at = appendHex(at, launcherDescriptor, 8);
  at = appendHex(at, siteAddress(), 16);
  const isSilent = ringState != RING_NONE && ring == NO_DESCRIPTOR;
  store<u8>(at++, (48 + (isSilent ? RING_SILENT | (ringState & RING_ELSEWHERE) : ringState)) as u8);
  at = appendHex(at, ringHost, 8);
  at = appendHex(at, ringFile, 8);
  at = appendHex(at, ring, 8);
  at = appendBytes(at, statsFile);
  store<u8>(at++, 0);
  return at;
}

function parseHex(from: usize, digits: usize): u64 {
  let value: u64 = 0;
  for (let i: usize = 0; i < digits; i++) {
    const byte = load<u8>(from + i);
    value = (value << 4) | ((byte < 58 ? byte - 48 : byte - 87) as u64);
  }
  return value;
}

/** Takes the options over from a handover string. */
export function readHandover(from: usize): void {
  followExec = load<u8>(from) == 49;
  onlyTraps = load<u8>(from + 1) == 49;
  countCalls = (load<u8>(from + 2) & 1) != 0;
  countSites = (load<u8>(from + 2) & 2) != 0;
  strict = (load<u8>(from + 3) & 1) != 0;
  exhaustive = (load<u8>(from + 3) & 2) != 0;
  statsMode = (load<u8>(from + 4) as u32) - 48;
  perfMap = (load<u8>(from + 5) & 1) != 0;
  gdbJit = (load<u8>(from + 5) & 2) != 0;
  noFsgsbase = (load<u8>(from + 6) & 1) != 0;
  yieldsGs = (load<u8>(from + 6) & 2) != 0;
  isNamedByFile = load<u8>(from + 7) == 49;
  handoverMask = parseHex(from + 8, 16);
  handoverDescriptor = parseHex(from + 24, 8) as u32;
  reportDescriptor = parseHex(from + 32, 8) as u32;
  launcherDescriptor = parseHex(from + 40, 8) as u32;
  handoverSite = parseHex(from + 48, 16);
  ringState = (load<u8>(from + 64) as u32) - 48;
  ringHost = parseHex(from + 65, 8) as u32;
  ringFile = parseHex(from + 73, 8) as u32;
  ringDescriptor = parseHex(from + 81, 8) as u32;
  for (let i: usize = 0; i < PATH_MAX; i++) {
    const byte = load<u8>(from + HANDOVER_FIXED + i);
    store<u8>(statsFile + i, byte);
    if (byte == 0) break;
  }
}
