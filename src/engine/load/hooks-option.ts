// `flicker run --hook my.ts --match EXPR -- PROG`: the launcher with that linked in takes this one's place.
//
// The one that the same question got before is known (known-launcher.ts). Otherwise Node compiles it, or finds it in the cache
// (src/host/hook/hooked-launcher.ts), as a child that prints the path: it must not become the program's parent, and must leave no
// mark on the program. So the program's process is this one throughout; the child is one whose end is ignored, since what a
// process waits for is added to the times of its children for good (wait_task_zombie of kernel/exit.c), and that survives execve.

import { addressOf, isError, syscall0, syscall1, syscall2, syscall3, syscall4 } from "../kernel/calls";
import {
  SYS_CLOSE,
  SYS_DUP2,
  SYS_EXECVE,
  SYS_EXIT_GROUP,
  SYS_FORK,
  SYS_OPEN,
  SYS_PIPE2,
  SYS_READ,
  SYS_RT_SIGACTION,
  SYS_WAIT4,
} from "../kernel/numbers";
import { Address, poke64 } from "../process";
import { appendText } from "../text";
import { ask, beginQuestion, findKnownLauncher } from "./known-launcher";
import { findScript } from "./node-command";
import { InitialStack, argument } from "./stack";

const HOOKS_MAX: u32 = 8;
/** Process addresses of the files' names, and of the expression that says which instructions are sites. */
const files = memory.data(64, 8);
let fileCount: u32 = 0;
let expression: Address = 0;
/** Arguments that are not for the other launcher: one bit for each of the first 64. */
let dropped: u64 = 0;

/** argv of the child: the script, `path`, `--match EXPR`, `--hook FILE` for each, and 0. */
const childArguments = memory.data(176, 8);
const words = memory.data(64, 8);
const PATH_MAX: usize = 4096;
const path = memory.data(4352, 8);
const pipe = memory.data(8, 8);
/** struct kernel_sigaction: the ignored one, and what was before. */
const ignored = memory.data<u64>([1, 0, 0, 0]);
const before = memory.data(32, 8);

const SIGCHLD: u64 = 17;
const SIGSET_SIZE: u64 = 8;
const O_CLOEXEC: u64 = 0x80000;
const STATUS_FAILED: u64 = 125;

export const OPTION_HOOK: u32 = 0;
export const OPTION_MATCH: u32 = 1;

/**
 * Remembers what argument `index` says from the byte at `skip` on, and that so many arguments in front are its option.
 * @returns why it cannot be, or nothing
 */
export function addHookOption(stack: InitialStack, option: u32, index: u64, skip: u64, inFront: u64): string {
  if (index >= 64) return "more than 64 options";
  const text = argument(stack, index) + skip;
  if (option == OPTION_HOOK) {
    if (fileCount == HOOKS_MAX) return "more than eight hooks";
    store<u64>(files + ((fileCount as usize) << 3), text);
    fileCount += 1;
  } else {
    if (expression != 0) return "--match is given twice; join the conditions with or";
    expression = text;
  }
  for (let i = index - inFront; i <= index; i++) dropped |= (1 as u64) << i;
  return "";
}

export function hasHookOptions(): bool {
  return fileCount != 0 || expression != 0;
}

/** Takes the hooks' options out of the arguments. */
function dropArguments(stack: InitialStack): void {
  let to: Address = stack.arguments as Address;
  for (let index: u64 = 0; index < stack.argumentCount; index++) {
    if (index < 64 && ((dropped >> index) & 1) != 0) continue;
    poke64(to, argument(stack, index));
    to += 8;
  }
  poke64(to, 0);
}

function literal(at: usize, text: string): usize {
  const end = appendText(at, text);
  store<u8>(end, 0);
  return end + 1;
}

/** In the child: Node's command, with the pipe as its standard output. */
function becomeNode(stack: InitialStack, script: usize): void {
  const option = literal(words, "path");
  const match = literal(option, "--hook");
  const nothing = literal(match, "--match");
  literal(nothing, "/dev/null");
  store<u64>(childArguments, addressOf(script));
  store<u64>(childArguments, addressOf(words), 8);
  let at = childArguments + 16;
  if (expression != 0) {
    store<u64>(at, addressOf(match));
    store<u64>(at, expression, 8);
    at += 16;
  }
  for (let i: u32 = 0; i < fileCount; i++, at += 16) {
    store<u64>(at, addressOf(option));
    store<u64>(at, load<u64>(files + ((i as usize) << 3)), 8);
  }
  store<u64>(at, 0);
  syscall4(SYS_RT_SIGACTION, SIGCHLD, addressOf(before), 0, SIGSET_SIZE);
  syscall2(SYS_DUP2, load<u32>(pipe, 4), 1);
  const empty = syscall3(SYS_OPEN, addressOf(nothing), 0, 0);
  if (empty > 0) {
    syscall2(SYS_DUP2, empty, 0);
    syscall1(SYS_CLOSE, empty);
  }
  syscall3(SYS_EXECVE, addressOf(script), addressOf(childArguments), stack.environment as Address);
  syscall1(SYS_EXIT_GROUP, STATUS_FAILED);
}

/** Reads the path that the child prints; gives false when it prints none: it has said why. */
function readPath(): bool {
  let size: usize = 0;
  while (size < PATH_MAX) {
    const got = syscall3(SYS_READ, load<u32>(pipe), addressOf(path + size), PATH_MAX - size);
    if (got <= 0) break;
    size += got as usize;
  }
  if (size == 0 || load<u8>(path + size - 1) != 10) return false;
  store<u8>(path + size - 1, 0);
  return true;
}

/** Whether the launcher of these options is known; its path is then at `path`. */
function isKnown(stack: InitialStack, script: usize): bool {
  if (!beginQuestion(script, expression, fileCount != 0)) return false;
  for (let i: u32 = 0; i < fileCount; i++) if (!ask(load<u64>(files + ((i as usize) << 3)))) return false;
  return findKnownLauncher(stack, path, PATH_MAX);
}

function becomeLauncherAtPath(stack: InitialStack): void {
  dropArguments(stack);
  syscall3(SYS_EXECVE, addressOf(path), stack.arguments as Address, stack.environment as Address);
}

/**
 * Becomes the launcher with the hooks that `addHookOption` got.
 * @returns why that cannot be; does not return when the hooks cannot be built
 */
export function becomeHookedLauncher(stack: InitialStack): string {
  const script = findScript();
  if (script == 0)
    return "--hook and --match need the installation's launcher: run it by the path that flicker path prints";
  if (isKnown(stack, script)) {
    becomeLauncherAtPath(stack);
    return "the launcher with hooks cannot be executed";
  }
  if (isError(syscall2(SYS_PIPE2, addressOf(pipe), O_CLOEXEC)))
    return "no descriptor is free to build a launcher with hooks (ulimit -n)";
  syscall4(SYS_RT_SIGACTION, SIGCHLD, addressOf(ignored), addressOf(before), SIGSET_SIZE);
  const child = syscall0(SYS_FORK);
  if (child == 0) becomeNode(stack, script);
  syscall1(SYS_CLOSE, load<u32>(pipe, 4));
  const found = !isError(child) && readPath();
  syscall1(SYS_CLOSE, load<u32>(pipe));
  if (!isError(child)) syscall4(SYS_WAIT4, child, 0, 0, 0);
  syscall4(SYS_RT_SIGACTION, SIGCHLD, addressOf(before), 0, SIGSET_SIZE);
  if (isError(child)) return "no process can be made to build a launcher with hooks";
  if (!found) syscall1(SYS_EXIT_GROUP, STATUS_FAILED);
  becomeLauncherAtPath(stack);
  return "the launcher with hooks cannot be executed";
}
