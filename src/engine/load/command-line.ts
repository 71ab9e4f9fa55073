// The launcher's own arguments: `flicker run [OPTIONS] -- PROG ARGS...`, `flicker PROG ARGS...`, or a handover from execve.
//
// The launcher reads them itself, since Node would leave marks on the program: it resets ignored signals, raises limits
// and opens closed descriptors.

import {
  STATS_JSON,
  STATS_TEXT,
  setCountCalls,
  setCountSites,
  setExhaustive,
  setFollowExec,
  setGdbJit,
  setNoFsgsbase,
  setOnlyTraps,
  setStrict,
  setPerfMap,
  setRingHost,
  setStatsMode,
  setYieldsGs,
  statsFile,
  statsMode,
  HANDOVER_NAME,
  readHandover,
} from "../options";
import { Address } from "../process";
import { appendBytes, appendText, copyString, equalsText, startsWithText, STDERR, writeOut } from "../text";
import { addressOf, isError, syscall1, syscall2 } from "../kernel/calls";
import { SYS_EXIT_GROUP, SYS_GETCWD } from "../kernel/numbers";
import { OPTION_HOOK, OPTION_MATCH, addHookOption, becomeHookedLauncher, hasHookOptions } from "./hooks-option";
import { becomeNodeCommand } from "./node-command";
import { InitialStack, argument } from "./stack";
import { similarCommand, similarOption } from "./suggestion";

/** Exit status of a failure of Flicker's own. */
export const STATUS_FAILED: u64 = 125;
/** POSIX's statuses for a program that cannot be run, and one that is not there. */
export const STATUS_NOT_EXECUTABLE: u64 = 126;
export const STATUS_NOT_FOUND: u64 = 127;

const PATH_MAX: usize = 4096;
const word = memory.data(4352, 8);
const line = memory.data(8704, 8);

/** Prints `flicker: ` and what the caller appended, and ends the process. */
function refuse(end: usize, status: u64): void {
  store<u8>(end, 10);
  writeOut(STDERR, line, end + 1);
  syscall1(SYS_EXIT_GROUP, status);
}

/** Whether the program's name came without `run` or `--` in front, so that it may be a command's, mistyped. */
let mayBeCommand: bool = false;

/** `flicker: SUBJECT: REASON` on standard error, and the end of the process. */
export function fail(subject: usize, reason: string, status: u64): void {
  let at = appendText(line, "flicker: ");
  if (subject != 0) {
    const start = at;
    at = appendBytes(at, subject);
    // One line, whatever a path has in it.
    for (let i = start; i < at; i++) if (load<u8>(i) < 32 || load<u8>(i) == 127) store<u8>(i, 63);
    at = appendText(at, ": ");
  }
  at = appendText(at, reason);
  if (mayBeCommand && subject != 0 && status == STATUS_NOT_FOUND) at = appendSuggestion(at, similarCommand(subject));
  refuse(at, status);
}

/** Appends what was probably meant; `similar` is 0 when nothing is near. */
function appendSuggestion(at: usize, similar: usize): usize {
  if (similar == 0) return at;
  at = appendText(at, " (did you mean ");
  at = appendBytes(at, similar);
  return appendText(at, "?)");
}

/** What the arguments say. */
@unmanaged
export class CommandLine {
  /** How many arguments in front are the launcher's. */
  dropped: u64;
  /** 1 for an execve that was followed: argv[0] of the program need not be its path. */
  handedOver: u32;
  padding: u32;
  /** Process address of the path to open. */
  path: Address;
  /** Process address of the path as the program is to know it: AT_EXECFN, and the source of `comm`. */
  fileName: Address;
  /** Process address of the seccomp filters that a handover brought; 0 else. */
  filters: Address;
  /** That of the tally; 0 likewise. */
  tally: Address;
}

function readWord(stack: InitialStack, index: u64): void {
  if (copyString(word, argument(stack, index), PATH_MAX) < 0)
    fail(0, "an argument is too long for an option", STATUS_FAILED);
}

/** The file of --stats-file as an absolute path: the program may change its directory. */
function setStatsFile(path: usize): void {
  let at = statsFile;
  if (load<u8>(path) != 47) {
    const size = syscall2(SYS_GETCWD, addressOf(statsFile), PATH_MAX / 2);
    if (isError(size)) fail(path, "the current directory has no path", STATUS_FAILED);
    at += (size as usize) - 1;
    store<u8>(at++, 47);
  }
  store<u8>(appendBytes(at, path), 0);
}

/** Remembers an argument for the launcher that is to take this one's place. */
function keepForHooks(stack: InitialStack, option: u32, index: u64, skip: u64, inFront: u64): void {
  const reason = addHookOption(stack, option, index, skip, inFront);
  if (reason.length != 0) fail(0, reason, STATUS_FAILED);
}

/** PROCESS:DESCRIPTOR of the ring's file. */
function setRing(value: usize): void {
  let host: u32 = 0;
  let number: u32 = 0;
  for (let at = value; load<u8>(at) != 0; at++) {
    const byte = load<u8>(at);
    if (byte == 58 && host == 0) {
      host = number;
      number = 0;
    } else if (byte >= 48 && byte <= 57 && number < 100000000) number = number * 10 + (byte - 48);
    else fail(value, "--ring takes PROCESS:DESCRIPTOR, two numbers", STATUS_FAILED);
  }
  if (host == 0) fail(value, "--ring takes PROCESS:DESCRIPTOR, two numbers", STATUS_FAILED);
  setRingHost(host, number);
}

/** The end of a command line whose option in `word` there is not, in the words of the commands in Node. */
function failOption(): void {
  if (startsWithText(word, "--stats=")) fail(word, "the format is text or json", STATUS_FAILED);
  if (equalsText(word, "--help") || equalsText(word, "-h"))
    fail(word, "it must stand right behind run: flicker run --help", STATUS_FAILED);
  let at = appendText(line, "flicker: unknown option '");
  at = appendBytes(at, word);
  at = appendText(at, "'");
  at = appendSuggestion(at, similarOption(word));
  refuse(appendText(at, "; see flicker run --help"), STATUS_FAILED);
}

/** Reads options up to `--` or the program's name; gives the index of the program's path. */
function readOptions(stack: InitialStack, index: u64): u64 {
  for (; index < stack.argumentCount; index++) {
    readWord(stack, index);
    if (load<u8>(word) != 45) return index;
    if (equalsText(word, "--")) return index + 1;
    if (equalsText(word, "--stats")) {
      setStatsMode(STATS_TEXT);
    } else if (equalsText(word, "--stats=text")) {
      setStatsMode(STATS_TEXT);
    } else if (equalsText(word, "--stats=json")) {
      setStatsMode(STATS_JSON);
    } else if (startsWithText(word, "--stats-file=")) {
      setStatsFile(word + 13);
      if (statsMode == 0) setStatsMode(STATS_JSON);
    } else if (equalsText(word, "--stats-file")) {
      index++;
      if (index >= stack.argumentCount) fail(word, "the name of a file must follow", STATUS_FAILED);
      readWord(stack, index);
      setStatsFile(word);
      if (statsMode == 0) setStatsMode(STATS_JSON);
    } else if (startsWithText(word, "--hook=")) {
      keepForHooks(stack, OPTION_HOOK, index, 7, 0);
    } else if (equalsText(word, "--hook")) {
      index++;
      if (index >= stack.argumentCount) fail(word, "the name of a file must follow", STATUS_FAILED);
      keepForHooks(stack, OPTION_HOOK, index, 0, 1);
    } else if (startsWithText(word, "--match=")) {
      keepForHooks(stack, OPTION_MATCH, index, 8, 0);
    } else if (equalsText(word, "--match")) {
      index++;
      if (index >= stack.argumentCount) fail(word, "an expression must follow", STATUS_FAILED);
      keepForHooks(stack, OPTION_MATCH, index, 0, 1);
    } else if (startsWithText(word, "--ring=")) {
      setRing(word + 7);
    } else if (equalsText(word, "--ring")) {
      index++;
      if (index >= stack.argumentCount) fail(word, "--ring takes PROCESS:DESCRIPTOR, two numbers", STATUS_FAILED);
      readWord(stack, index);
      setRing(word);
    } else if (equalsText(word, "--no-follow-exec")) {
      setFollowExec(false);
    } else if (equalsText(word, "--count-calls")) {
      setCountCalls(true);
      if (statsMode == 0) setStatsMode(STATS_TEXT);
    } else if (equalsText(word, "--count-sites")) {
      setCountSites(true);
      if (statsMode == 0) setStatsMode(STATS_TEXT);
    } else if (equalsText(word, "--perf-map")) {
      setPerfMap(true);
    } else if (equalsText(word, "--gdb-jit")) {
      setGdbJit(true);
    } else if (equalsText(word, "--only-traps")) {
      setOnlyTraps(true);
    } else if (equalsText(word, "--strict")) {
      setStrict(true);
    } else if (equalsText(word, "--exhaustive")) {
      setExhaustive(true);
    } else if (equalsText(word, "--no-fsgsbase")) {
      setNoFsgsbase(true);
    } else if (equalsText(word, "--yield-gs")) {
      setYieldsGs(true);
    } else {
      failOption();
    }
  }
  return index;
}

/** Reads the launcher's arguments; does not return when they make no sense. */
export function readCommandLine(stack: InitialStack, result: CommandLine): void {
  result.handedOver = 0;
  result.filters = 0;
  result.tally = 0;
  if (stack.argumentCount == 0) fail(0, "no program to run", STATUS_FAILED);
  readWord(stack, 0);
  if (equalsText(word, HANDOVER_NAME) && stack.argumentCount >= 6) {
    readWord(stack, 1);
    readHandover(word);
    result.handedOver = 1;
    result.path = argument(stack, 2);
    result.fileName = argument(stack, 3);
    result.filters = argument(stack, 4);
    result.tally = argument(stack, 5);
    result.dropped = 6;
    return;
  }
  becomeNodeCommand(stack);
  let index: u64 = 1;
  if (stack.argumentCount > 1) {
    readWord(stack, 1);
    if (equalsText(word, "run")) index = readOptions(stack, 2);
    else if (equalsText(word, "--")) index = 2;
    else mayBeCommand = true;
  }
  if (index >= stack.argumentCount)
    fail(0, "no program to run; usage: flicker run [OPTIONS] -- PROG ARGS...", STATUS_FAILED);
  if (hasHookOptions()) fail(0, becomeHookedLauncher(stack), STATUS_FAILED);
  result.dropped = index;
  result.path = argument(stack, index);
  result.fileName = result.path;
}
