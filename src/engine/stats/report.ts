// The statistics: what `--stats` says of each process, as text or one JSON object a line.
//
// A process says `start` when the launcher has loaded its program, `fork` in a child that begins with its parent's
// memory, `exec` before an execve, `end` when it ends by exit or by a fatal signal that the engine handles. The kernel
// lets nobody speak for a process that it kills (SIGKILL, SIGTERM without a handler): its `start` or `fork` has no `end`.
// Each event is one write to a file opened for appending, so lines of a tree of processes do not mix.
//
// The last word on a process image, `exec` or `end`, names the sites that the kernel sees first and the traps that were
// executed most: all that are known (stats/left-alone.ts) as JSON, a few of each as text.

import { appendCounter, takeCounter } from "../hook/counters";
import { counterCount, countersOf, hookCount } from "../hook/table";
import { addressOf, isError, syscall0, syscall1, syscall3, syscall4 } from "../kernel/calls";
import { SYS_CLOSE, SYS_FCNTL, SYS_GETPID, SYS_GETPPID, SYS_OPENAT } from "../kernel/numbers";
import { programPath } from "../load/identity";
import { hasMatchers } from "../match";
import { forEachCount } from "../patch/site-counts";
import {
  NO_DESCRIPTOR,
  countCalls,
  countSites,
  exhaustive,
  STATS_JSON,
  STATS_NONE,
  reportDescriptor,
  setReportDescriptor,
  statsFile,
  statsMode,
} from "../options";
import { findRemembered, foundOffset } from "../patch/mapping";
import { findHottest, hottestAt } from "../patch/record";
import { SLOT_SIZE } from "../patch/slot";
import { countSlots } from "../patch/territory";
import { Trap, executedTraps, findHottestTraps } from "../patch/traps";
import { ThreadBlock } from "../thread/block";
import { lockEngine, unlockEngine } from "../thread/lock";
import { STDERR, appendBytes, appendDecimal, appendHex, appendText, lengthOf, writeOut } from "../text";
import {
  CALLS,
  FATE_B1,
  FATE_DOUBTFUL,
  FATE_REFUSED,
  FATE_T3,
  FATE_TRAP,
  FATE_UNPATCHED,
  INSTRUCTIONS,
  callCount,
  dispatchedCount,
  executedInstructionTraps,
  fateCount,
  filesWithoutTable,
  functionsWithData,
  interiorCount,
  jumpCount,
  mappingCount,
  nameOfTactic,
  patchNanoseconds,
  pagesGivenBack,
  pagesRewritten,
  pagesRun,
  provenCount,
  scannedBytes,
  unplannedBytes,
  unsearchedCount,
} from "./counters";
import { beginDeparture } from "./departure";
import { leftAlone, leftAloneCount, reasonOf } from "./left-alone";

/**
 * Where lines go without --stats-file: a duplicate of the standard error that the first process of the tree had. Programs
 * close theirs before they exit (coreutils do), or send it elsewhere.
 */
let descriptor: u64 = STDERR;
/** Out of the way of programs that count on low numbers. */
const DESCRIPTOR_MIN: u64 = 900;
const F_SETFD: u64 = 2;
const F_DUPFD_CLOEXEC: u64 = 1030;
const FD_CLOEXEC: u64 = 1;

/** Whether somebody wants to know how a process ends. */
export function reportsEnds(): bool {
  return statsMode != STATS_NONE || counterCount != 0;
}

/** Gets the descriptor for lines ready, at the start of a process image. */
export function openReport(handedOver: bool): void {
  if (!reportsEnds() || load<u8>(statsFile) != 0) return;
  if (handedOver && reportDescriptor != NO_DESCRIPTOR) {
    descriptor = reportDescriptor as u64;
    syscall3(SYS_FCNTL, descriptor, F_SETFD, FD_CLOEXEC);
    return;
  }
  const duplicate = syscall3(SYS_FCNTL, STDERR, F_DUPFD_CLOEXEC, DESCRIPTOR_MIN);
  if (isError(duplicate)) return;
  descriptor = duplicate as u64;
  setReportDescriptor(duplicate as u32);
}

/** Lets the descriptor survive an execve that is followed, or takes that back. */
export function keepReport(keep: bool): void {
  if (descriptor != STDERR) syscall3(SYS_FCNTL, descriptor, F_SETFD, keep ? 0 : FD_CLOEXEC);
}

const AT_FDCWD: u64 = -100;
/** O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY */
const OPEN_FLAGS: u64 = 0x80541;
const OPEN_MODE: u64 = 0o644;

const BUFFER_SIZE: usize = 131072;
const lineBuffer = memory.data(131072, 8);
/** The list of an event may fill the buffer up to here: behind it is room for the members that come after. */
const LISTS_END: usize = BUFFER_SIZE - 16384;
/** A path can grow to six times its size when every byte is escaped; what an entry has beside it is less than this. */
const ESCAPED: usize = 6;
const ENTRY_MAX: usize = 512;
/** Most sites of a kind that text names. */
const TEXT_MAX: u32 = 5;
const HOTTEST_MAX: u32 = 10;
const hottest = memory.data(48, 8);

function appendJsonString(at: usize, from: usize): usize {
  store<u8>(at++, 34);
  for (let byte = load<u8>(from); byte != 0; byte = load<u8>(++from)) {
    if (byte < 32 || byte == 34 || byte == 92 || byte == 127) {
      at = appendText(at, "\\u00");
      const high = byte >> 4;
      const low = byte & 15;
      store<u8>(at++, high < 10 ? 48 + high : 87 + high);
      store<u8>(at++, low < 10 ? 48 + low : 87 + low);
    } else store<u8>(at++, byte);
  }
  store<u8>(at++, 34);
  return at;
}

function appendMember(at: usize, name: string, value: u64): usize {
  at = appendText(at, ',"');
  at = appendText(at, name);
  at = appendText(at, '":');
  return appendDecimal(at, value);
}

/** Each tactic's share of a kind of sites: as members, or as text. */
function appendTactics(at: usize, kind: u32, isJson: bool): usize {
  for (let fate = FATE_B1; fate <= FATE_T3; fate++) {
    if (fate != FATE_B1) at = appendText(at, isJson ? "," : ", ");
    if (isJson) at = appendText(at, '"');
    at = appendText(at, nameOfTactic(fate));
    at = appendText(at, isJson ? '":' : " ");
    at = appendDecimal(at, fateCount(kind + fate));
  }
  return at;
}

function appendJsonCounts(at: usize): usize {
  const patched = jumpCount(CALLS) + fateCount(FATE_TRAP);
  at = appendMember(at, "sites", patched + fateCount(FATE_UNPATCHED) + fateCount(FATE_DOUBTFUL));
  at = appendMember(at, "patched", patched);
  at = appendTactics(appendText(at, ',"tactics":{'), CALLS, true);
  at = appendMember(at, "B0", fateCount(FATE_TRAP));
  at = appendText(at, "}");
  at = appendMember(at, "unpatched", fateCount(FATE_UNPATCHED));
  at = appendMember(at, "doubtful", fateCount(FATE_DOUBTFUL));
  at = appendMember(at, "interior", interiorCount);
  at = appendMember(at, "executedTraps", executedTraps());
  if (exhaustive) {
    at = appendMember(at, "dispatched", dispatchedCount());
    at = appendMember(at, "proven", provenCount);
  }
  if (countCalls) at = appendMember(at, "calls", callCount());
  if (hasMatchers()) at = appendJsonInstructions(at);
  at = appendMember(at, "mappings", mappingCount);
  at = appendMember(at, "unsearched", unsearchedCount);
  at = appendMember(at, "pagesRun", pagesRun);
  at = appendMember(at, "pagesRewritten", pagesRewritten);
  at = appendMember(at, "pagesGivenBack", pagesGivenBack);
  at = appendMember(at, "scannedBytes", scannedBytes);
  at = appendMember(at, "trampolineBytes", (countSlots() as u64) * (SLOT_SIZE as u64));
  return appendMember(at, "patchMicroseconds", patchNanoseconds / 1000);
}

function appendJsonInstructions(at: usize): usize {
  at = appendText(at, ',"instructions":{"jumps":');
  at = appendDecimal(at, jumpCount(INSTRUCTIONS));
  at = appendTactics(appendText(at, ","), INSTRUCTIONS, true);
  at = appendMember(at, "B0", fateCount(INSTRUCTIONS + FATE_TRAP));
  at = appendMember(at, "unpatched", fateCount(INSTRUCTIONS + FATE_UNPATCHED));
  at = appendMember(at, "refused", fateCount(INSTRUCTIONS + FATE_REFUSED));
  at = appendMember(at, "functionsWithData", functionsWithData);
  at = appendMember(at, "filesWithoutTable", filesWithoutTable);
  at = appendMember(at, "unplannedBytes", unplannedBytes);
  at = appendMember(at, "executedTraps", executedInstructionTraps());
  return appendText(at, "}");
}

function appendTextSites(at: usize, kind: u32, executed: u64): usize {
  at = appendDecimal(at, jumpCount(kind));
  at = appendTactics(appendText(at, " jumps ("), kind, false);
  at = appendText(at, "), ");
  at = appendDecimal(at, fateCount(kind + FATE_TRAP));
  at = appendText(at, " traps (");
  at = appendDecimal(at, executed);
  at = appendText(at, " executed), ");
  at = appendDecimal(at, fateCount(kind + FATE_UNPATCHED));
  return appendText(at, " unpatched, ");
}

function appendTextInstructions(at: usize): usize {
  at = appendText(at, "; ");
  at = appendDecimal(at, jumpCount(INSTRUCTIONS) + fateCount(INSTRUCTIONS + FATE_TRAP));
  at = appendTextSites(appendText(at, " instructions: "), INSTRUCTIONS, executedInstructionTraps());
  at = appendDecimal(at, fateCount(INSTRUCTIONS + FATE_REFUSED));
  at = appendText(at, " refused; ");
  at = appendDecimal(at, functionsWithData);
  at = appendText(at, " functions with data, ");
  at = appendDecimal(at, filesWithoutTable);
  at = appendText(at, " files without an unwind table, ");
  at = appendDecimal(at, unplannedBytes >> 10);
  return appendText(at, " KiB not planned");
}

/** Memory that the program filled with code (jit/pages.ts). */
function appendTextPages(at: usize): usize {
  at = appendText(at, "; code in memory: ");
  at = appendDecimal(at, pagesRun);
  at = appendText(at, " pages searched, ");
  at = appendDecimal(at, pagesRewritten);
  at = appendText(at, " written again, ");
  at = appendDecimal(at, pagesGivenBack);
  return appendText(at, " given back");
}

function appendTextCounts(at: usize): usize {
  const patched = jumpCount(CALLS) + fateCount(FATE_TRAP);
  at = appendText(at, ": ");
  at = appendDecimal(at, patched + fateCount(FATE_UNPATCHED) + fateCount(FATE_DOUBTFUL));
  at = appendTextSites(appendText(at, " sites: "), CALLS, executedTraps());
  at = appendDecimal(at, fateCount(FATE_DOUBTFUL));
  at = appendText(at, " doubtful; ");
  at = appendDecimal(at, scannedBytes >> 10);
  at = appendText(at, " KiB of code in ");
  at = appendDecimal(at, patchNanoseconds / 1000);
  at = appendText(at, " us");
  if (pagesRun + pagesGivenBack != 0) at = appendTextPages(at);
  if (exhaustive) {
    at = appendText(at, "; ");
    at = appendDecimal(at, dispatchedCount());
    at = appendText(at, " calls dispatched, ");
    at = appendDecimal(at, provenCount);
    at = appendText(at, " sites proven");
  }
  if (hasMatchers()) at = appendTextInstructions(at);
  if (!countCalls) return at;
  at = appendText(at, "; ");
  at = appendDecimal(at, callCount());
  return appendText(at, " calls");
}

/** `"file":"/lib/x.so","offset":"0x1234","address":"0x7f0000001234"` */
function appendJsonPlace(at: usize, file: usize, offset: u64, address: u64): usize {
  at = appendText(at, '"file":');
  at = appendJsonString(at, file);
  at = appendText(at, ',"offset":"0x');
  at = appendHex(at, offset);
  at = appendText(at, '","address":"0x');
  at = appendHex(at, address);
  return appendText(at, '"');
}

/** Whether an entry that names this file still fits into the line. */
function fits(at: usize, file: usize): bool {
  return at + ENTRY_MAX + ESCAPED * lengthOf(file) < lineBuffer + LISTS_END;
}

/** Sites by name that were left alone: the doubtful ones, or the others. */
function appendJsonLeftAlone(at: usize, name: string, doubtful: bool): usize {
  at = appendText(at, ',"');
  at = appendText(at, name);
  at = appendText(at, '":[');
  const total = fateCount(doubtful ? FATE_DOUBTFUL : FATE_UNPATCHED);
  let named: u32 = 0;
  for (let i: u32 = 0; i < leftAloneCount(doubtful); i++) {
    const entry = leftAlone(doubtful, i);
    if (entry.times == 0) continue;
    if (!fits(at, entry.file)) break;
    at = appendText(at, named == 0 ? "{" : ",{");
    at = appendJsonPlace(at, entry.file, entry.offset, entry.address);
    if (!doubtful) {
      at = appendText(at, ',"reason":"');
      at = appendText(at, reasonOf(entry.why));
      at = appendText(at, '"');
    }
    at = appendMember(at, "times", entry.times);
    at = appendText(at, "}");
    named += entry.times;
  }
  at = appendText(at, '],"');
  at = appendText(at, name);
  at = appendText(at, 'Unnamed":');
  return appendDecimal(at, total - named);
}

function appendJsonHottest(at: usize): usize {
  at = appendText(at, ',"hottestTraps":[');
  const count = findHottestTraps(hottest, HOTTEST_MAX);
  for (let i: u32 = 0; i < count; i++) {
    const trap = changetype<Trap>(load<u32>(hottest + (i << 2)));
    if (trap.file == 0 || !fits(at, trap.file)) continue;
    at = appendText(at, i == 0 ? "{" : ",{");
    at = appendJsonPlace(at, trap.file, trap.offset, trap.site);
    at = appendMember(at, "executed", trap.executed);
    at = appendText(at, "}");
  }
  return appendText(at, "]");
}

/** The trapped instructions that were executed most. */
function appendJsonHottestInstructions(at: usize): usize {
  at = appendText(at, ',"hottestInstructions":[');
  const count = findHottest();
  let named = 0;
  for (let i: u32 = 0; i < count; i++) {
    const record = hottestAt(i);
    const file = findRemembered(record.original);
    if (file == 0 || !fits(at, file)) continue;
    at = appendText(at, named++ == 0 ? "{" : ",{");
    at = appendJsonPlace(at, file, foundOffset, record.original);
    at = appendMember(at, "executed", record.companion);
    at = appendText(at, "}");
  }
  return appendText(at, "]");
}

function appendTextHottestInstructions(at: usize): usize {
  const count = findHottest();
  for (let i: u32 = 0; i < count; i++) {
    const record = hottestAt(i);
    const file = findRemembered(record.original);
    if (file == 0) continue;
    at = appendTextPlace(at, "trapped instruction", file, foundOffset, record.original);
    at = appendText(appendDecimal(appendText(at, ", executed "), record.companion), " times");
  }
  return at;
}

/** A line of its own: `flicker:   WHAT FILE+0xOFFSET at 0xADDRESS`. */
function appendTextPlace(at: usize, what: string, file: usize, offset: u64, address: u64): usize {
  at = appendText(at, "\nflicker:   ");
  at = appendText(at, what);
  at = appendText(at, " ");
  at = appendBytes(at, file);
  at = appendText(at, "+0x");
  at = appendHex(at, offset);
  at = appendText(at, " at 0x");
  return appendHex(at, address);
}

function appendTextLeftAlone(at: usize, what: string, doubtful: bool): usize {
  let rest = fateCount(doubtful ? FATE_DOUBTFUL : FATE_UNPATCHED);
  let shown: u32 = 0;
  for (let i: u32 = 0; i < leftAloneCount(doubtful) && shown < TEXT_MAX; i++) {
    const entry = leftAlone(doubtful, i);
    if (entry.times == 0) continue;
    at = appendTextPlace(at, what, entry.file, entry.offset, entry.address);
    if (!doubtful) at = appendText(appendText(at, ": "), reasonOf(entry.why));
    if (entry.times > 1) at = appendText(appendDecimal(appendText(at, ", mapped "), entry.times), " times");
    shown += 1;
    rest -= entry.times;
  }
  if (rest == 0) return at;
  at = appendDecimal(appendText(at, "\nflicker:   "), rest);
  return appendText(appendText(at, " more "), what);
}

function appendTextHottest(at: usize): usize {
  const count = findHottestTraps(hottest, HOTTEST_MAX);
  for (let i: u32 = 0; i < count; i++) {
    const trap = changetype<Trap>(load<u32>(hottest + (i << 2)));
    if (trap.file == 0) continue;
    at = appendTextPlace(at, "trap", trap.file, trap.offset, trap.site);
    at = appendText(appendDecimal(appendText(at, ", executed "), trap.executed), " times");
  }
  return at;
}

/** The last word on a process image: sites by name. */
function appendNames(at: usize): usize {
  if (statsMode == STATS_JSON) {
    at = appendJsonHottest(at);
    if (hasMatchers()) at = appendJsonHottestInstructions(at);
    at = appendJsonLeftAlone(at, "unpatchedSites", false);
    return appendJsonLeftAlone(at, "doubtfulSites", true);
  }
  at = appendTextHottest(at);
  if (hasMatchers()) at = appendTextHottestInstructions(at);
  at = appendTextLeftAlone(at, "unpatched", false);
  return appendTextLeftAlone(at, "doubtful", true);
}

/** Whether an event is the last of a process image: an end, or an execve. */
function isLast(detail: string, subject: usize): bool {
  return detail.length != 0 || subject != 0;
}

/** Says what has happened to a thread's process. */
function report(thread: ThreadBlock, event: string, detail: string, value: u64, subject: usize): void {
  if (!reportsEnds()) return;
  lockEngine(thread);
  if (isLast(detail, subject)) {
    beginDeparture(thread);
    // A process that borrows its parent's memory counts for its parent.
    if (!thread.borrowed) writeCounters(thread.pid, subject != 0);
    if (!thread.borrowed && countSites) writeSiteCounts(thread.pid);
  }
  write(thread.pid, event, detail, value, subject);
  unlockEngine();
}

/** Writes one event, under the engine lock; `detail` names a number of its own, `subject` is the path of an execve (engine pointer, or 0), and
 * `value` then whether it is followed. */
function write(pid: u32, event: string, detail: string, value: u64, subject: usize): void {
  if (statsMode == STATS_NONE) return;
  // Text is for people: the ends of processes tell it all.
  if (statsMode != STATS_JSON && detail.length == 0) return;
  let at = lineBuffer;
  if (statsMode == STATS_JSON) {
    at = appendText(at, '{"event":"');
    at = appendText(at, event);
    at = appendText(at, '"');
    at = appendMember(at, "pid", pid);
    at = appendMember(at, "ppid", syscall0(SYS_GETPPID) as u64);
    at = appendText(at, ',"exe":');
    at = appendJsonString(at, programPath);
    if (detail.length != 0) at = appendMember(at, detail, value);
    if (subject != 0) {
      at = appendText(at, ',"path":');
      at = appendJsonString(at, subject);
      at = appendText(at, value ? ',"followed":true' : ',"followed":false');
    }
    at = appendJsonCounts(at);
    if (isLast(detail, subject)) at = appendNames(at);
    at = appendText(at, "}\n");
  } else {
    at = appendText(at, "flicker: ");
    at = appendBytes(at, programPath);
    at = appendText(at, " (pid ");
    at = appendDecimal(at, pid);
    at = appendText(at, ") ");
    at = appendText(at, event);
    at = appendText(at, " ");
    at = appendText(at, detail);
    at = appendText(at, " ");
    at = appendDecimal(at, value);
    at = appendTextCounts(at);
    at = appendNames(at);
    at = appendText(at, "\n");
  }
  writeEvent(at);
}

/** A line for each counter of a hook; at an execve, for those that have counted something. */
function writeCounters(pid: u32, isExec: bool): void {
  for (let hook: u32 = 0; hook < hookCount; hook++) {
    for (let i: u32 = 0; i < countersOf(hook); i++) {
      const value = takeCounter(hook, i);
      if (isExec && value == 0) continue;
      let at = lineBuffer;
      if (statsMode == STATS_JSON) {
        at = appendMember(appendText(at, '{"event":"counter"'), "pid", pid);
        at = appendJsonString(appendText(at, ',"exe":'), programPath);
        at = appendText(appendCounter(at, hook, i, value), "}\n");
      } else {
        at = appendBytes(appendText(at, "flicker: "), programPath);
        at = appendDecimal(appendText(at, " (pid "), pid);
        at = appendText(appendCounter(appendText(at, ") "), hook, i, value), "\n");
      }
      writeEvent(at);
    }
  }
}

/** The line of site counts that is being written, its file, and the process; how many executions of how many sites there were. */
let countLine: usize = 0;
let countFile: usize = 0;
let countBias: u64 = 0;
let countProcess: u32 = 0;
let executions: u64 = 0;
let executedSites: u64 = 0;

function endCountLine(): void {
  if (countLine != 0) writeEvent(appendText(countLine, "]}\n"));
  countLine = 0;
}

function addCount(file: usize, bias: u64, address: u64, count: u64): void {
  executions += count;
  executedSites += 1;
  if (statsMode != STATS_JSON) return;
  if (file != countFile || bias != countBias || countLine + 64 > lineBuffer + LISTS_END) endCountLine();
  countFile = file;
  countBias = bias;
  if (countLine != 0) {
    countLine = appendText(countLine, ",");
  } else {
    countLine = appendMember(appendText(lineBuffer, '{"event":"counts"'), "pid", countProcess);
    countLine = appendJsonString(appendText(countLine, ',"exe":'), programPath);
    countLine = appendJsonString(appendText(countLine, ',"file":'), file);
    countLine = appendHex(appendText(countLine, ',"bias":"0x'), bias);
    countLine = appendText(countLine, '","counts":[');
  }
  countLine = appendHex(appendText(countLine, '["0x'), address);
  countLine = appendText(countLine, '",');
  countLine = appendText(appendDecimal(countLine, count), "]");
}

/** How often each instruction ran, since the image's start: `--count-sites`. */
function writeSiteCounts(pid: u32): void {
  countProcess = pid;
  executions = 0;
  executedSites = 0;
  forEachCount(addCount);
  endCountLine();
  if (statsMode == STATS_JSON) return;
  let at = appendBytes(appendText(lineBuffer, "flicker: "), programPath);
  at = appendDecimal(appendText(at, " (pid "), pid);
  at = appendDecimal(appendText(at, ") "), executions);
  at = appendDecimal(appendText(at, " executions of "), executedSites);
  writeEvent(appendText(at, " instructions; flicker count says which\n"));
}

function writeEvent(end: usize): void {
  if (load<u8>(statsFile) == 0) {
    writeOut(descriptor, lineBuffer, end);
    return;
  }
  const file = syscall4(SYS_OPENAT, AT_FDCWD, addressOf(statsFile), OPEN_FLAGS, OPEN_MODE);
  if (isError(file)) return;
  writeOut(file, lineBuffer, end);
  syscall1(SYS_CLOSE, file);
}

export function reportStart(thread: ThreadBlock): void {
  report(thread, "start", "", 0, 0);
}
/** In a child. */
export function reportFork(thread: ThreadBlock): void {
  report(thread, "fork", "", 0, 0);
}
/** `path`: engine pointer of the path that is about to be run, under Flicker or natively. */
export function reportExec(thread: ThreadBlock, path: usize, isFollowed: bool): void {
  report(thread, "exec", "", isFollowed ? 1 : 0, path);
}
export function reportExit(thread: ThreadBlock, status: u32): void {
  report(thread, "end", "status", status & 0xff, 0);
}
/** The process ends because of --strict. Under the engine lock. */
export function reportRefusal(status: u32): void {
  write(syscall0(SYS_GETPID) as u32, "end", "status", status, 0);
}
export function reportFatalSignal(thread: ThreadBlock, signal: u32): void {
  report(thread, "end", "signal", signal, 0);
}
