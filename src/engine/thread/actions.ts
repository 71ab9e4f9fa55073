// Signal actions: what the program set with rt_sigaction, beside what the kernel has.
//
// Every kernel handler is the engine's (invariant I10). A table of actions belongs to what the kernel calls a sighand:
// threads share one (CLONE_SIGHAND); a vfork child shares memory but not its sighand, so it gets a copy here, or the
// child's `sigaction(SIG_DFL)` of posix_spawn would disarm its parent's handlers.

import { gateSignal, gateSignalRestorer } from "../gates";
import { addressOf, syscall4 } from "../kernel/calls";
import { SYS_RT_SIGACTION } from "../kernel/numbers";
import { Pool, give, take } from "../patch/arena";
import { ThreadBlock } from "./block";
import { ENGINE_SIGNALS, SIGNAL_MAX, signalBit } from "./signal-frame";

/** struct sigaction of the kernel: arch/x86/include/uapi/asm/signal.h. */
@unmanaged
export class Action {
  handler: u64;
  flags: u64;
  restorer: u64;
  mask: u64;
}
export const ACTION_SIZE: usize = 32;

export const SIG_DFL: u64 = 0;
export const SIG_IGN: u64 = 1;

export const SA_NOCLDSTOP: u64 = 0x00000001;
export const SA_NOCLDWAIT: u64 = 0x00000002;
export const SA_SIGINFO: u64 = 0x00000004;
export const SA_EXPOSE_TAGBITS: u64 = 0x00000800;
export const SA_RESTORER: u64 = 0x04000000;
export const SA_ONSTACK: u64 = 0x08000000;
export const SA_RESTART: u64 = 0x10000000;
export const SA_NODEFER: u64 = 0x40000000;
export const SA_RESETHAND: u64 = 0x80000000;

/** Flags that the kernel keeps; it clears the others, and programs probe for that (UAPI_SA_FLAGS). */
export const SA_KNOWN: u64 =
  SA_NOCLDSTOP |
  SA_NOCLDWAIT |
  SA_SIGINFO |
  SA_EXPOSE_TAGBITS |
  SA_RESTORER |
  SA_ONSTACK |
  SA_RESTART |
  SA_NODEFER |
  SA_RESETHAND;

/** Flags of the program's that the kernel itself must know: they change what calls do, not how a handler runs. */
const SA_PASSED: u64 = SA_NOCLDSTOP | SA_NOCLDWAIT | SA_RESTART;

/** A table: the actions of signals 1..64 behind its header. */
@unmanaged
class Table {
  /** How many threads share it. */
  users: u32;
  /** Engine pointers of its neighbours in the list of all tables, or 0. */
  next: u32;
  previous: u32;
  padding: u32;
}
const ACTIONS_OFFSET: usize = offsetof<Table>();
const ACTIONS_SIZE: usize = 64 * ACTION_SIZE;

const pool = changetype<Pool>(memory.data(offsetof<Pool>(), 8));
let first: u32 = 0;

/** A table with one user, all zero (SIG_DFL); 0 when the engine's memory is out. Under the engine lock. */
function allocateTable(): usize {
  const pointer = take(pool, ACTIONS_OFFSET + ACTIONS_SIZE);
  if (pointer == 0) return 0;
  const table = changetype<Table>(pointer);
  table.users = 1;
  table.next = first;
  if (first != 0) changetype<Table>(first).previous = pointer as u32;
  first = pointer as u32;
  return pointer;
}

function freeTable(pointer: usize): void {
  const table = changetype<Table>(pointer);
  if (table.next != 0) changetype<Table>(table.next).previous = table.previous;
  if (table.previous != 0) changetype<Table>(table.previous).next = table.next;
  else first = table.next;
  give(pool, pointer);
}

/** The table of a process's first thread. */
export function newActions(): usize {
  return allocateTable();
}

/** One more thread uses the table. Under the engine lock. */
export function shareActions(table: usize): usize {
  changetype<Table>(table).users += 1;
  return table;
}

/** A copy for a child that has its own sighand in the same memory; 0 when memory is out. Under the engine lock. */
export function copyActions(table: usize): usize {
  const copy = allocateTable();
  if (copy != 0) memory.copy(copy + ACTIONS_OFFSET, table + ACTIONS_OFFSET, ACTIONS_SIZE);
  return copy;
}

/** One thread less uses the table. Under the engine lock. */
export function releaseActions(pointer: usize): void {
  const table = changetype<Table>(pointer);
  assert(table.users != 0, "a table of signal actions is released twice");
  table.users -= 1;
  if (table.users == 0) freeTable(pointer);
}

/** In the child of a fork that copied memory: this table has one user, and the others have none. */
export function releaseOtherActions(mine: usize): void {
  changetype<Table>(mine).users = 1;
  for (let pointer: u32 = first; pointer != 0;) {
    const next = changetype<Table>(pointer).next;
    if (pointer != (mine as u32)) freeTable(pointer);
    pointer = next;
  }
}

/** The action of a signal, 1..64. */
export function actionOf(thread: ThreadBlock, signal: u32): Action {
  return changetype<Action>((thread.actions as usize) + ACTIONS_OFFSET + ((signal - 1) as usize) * ACTION_SIZE);
}

/** Whether the kernel has the engine's handler for a signal with this action of the program's. */
function isHandledByEngine(signal: u32, action: Action): bool {
  return (ENGINE_SIGNALS & signalBit(signal)) != 0 || action.handler > SIG_IGN;
}

/**
 * Gives the kernel the action that corresponds to the program's.
 * @param buffer 32 bytes of the calling thread's own
 * @returns 0 or -errno
 */
export function installAction(signal: u32, action: Action, buffer: usize): i64 {
  const kernelAction = changetype<Action>(buffer);
  if (isHandledByEngine(signal, action)) {
    kernelAction.handler = gateSignal();
    kernelAction.flags = SA_SIGINFO | SA_ONSTACK | SA_RESTORER | (action.flags & SA_PASSED);
    // Faults of the engine's own copies (tryCopyIn) must reach it while it handles another signal.
    if (ENGINE_SIGNALS & signalBit(signal)) kernelAction.flags |= SA_NODEFER;
    kernelAction.restorer = gateSignalRestorer();
    kernelAction.mask = ~ENGINE_SIGNALS;
  } else {
    kernelAction.handler = action.handler;
    kernelAction.flags = action.flags & ~SA_RESETHAND;
    kernelAction.restorer = action.restorer;
    kernelAction.mask = action.mask;
  }
  return syscall4(SYS_RT_SIGACTION, signal, addressOf(buffer), 0, 8);
}

/** Gives the kernel SIG_DFL or SIG_IGN for a signal, whatever the engine needs. */
export function installPlain(signal: u32, handler: u64, buffer: usize): void {
  memory.fill(buffer, 0, ACTION_SIZE);
  changetype<Action>(buffer).handler = handler;
  const result = syscall4(SYS_RT_SIGACTION, signal, addressOf(buffer), 0, 8);
  assert(result == 0, "the kernel refuses a plain signal action");
}

/** At the start of a process: takes over the actions that survived execve (SIG_IGN), and installs the engine's handlers. */
export function adoptActions(thread: ThreadBlock, buffer: usize): void {
  for (let signal: u32 = 1; signal <= SIGNAL_MAX; signal++) {
    const action = actionOf(thread, signal);
    if (syscall4(SYS_RT_SIGACTION, signal, 0, addressOf(changetype<usize>(action)), 8) != 0) continue;
    if (ENGINE_SIGNALS & signalBit(signal)) {
      const result = installAction(signal, action, buffer);
      assert(result == 0, "the kernel refuses the engine's signal handler");
    }
  }
}

/** In a child whose kernel handlers were reset (CLONE_CLEAR_SIGHAND): the table follows, the engine's handlers return. */
export function clearActions(thread: ThreadBlock, buffer: usize): void {
  for (let signal: u32 = 1; signal <= SIGNAL_MAX; signal++) {
    const action = actionOf(thread, signal);
    if (action.handler != SIG_IGN) memory.fill(changetype<usize>(action), 0, ACTION_SIZE);
    if (ENGINE_SIGNALS & signalBit(signal)) installAction(signal, action, buffer);
  }
}

/** Whether the program ignores a signal that the kernel must not ignore for the engine's sake. */
export function ignoresEngineSignal(thread: ThreadBlock): bool {
  for (let signal: u32 = 1; signal <= SIGNAL_MAX; signal++)
    if ((ENGINE_SIGNALS & signalBit(signal)) != 0 && actionOf(thread, signal).handler == SIG_IGN) return true;
  return false;
}

/** Before execve: signals of the engine's that the program ignores must be ignored by the kernel too, to survive it. */
export function surrenderIgnored(thread: ThreadBlock, buffer: usize): void {
  for (let signal: u32 = 1; signal <= SIGNAL_MAX; signal++) {
    if ((ENGINE_SIGNALS & signalBit(signal)) == 0) continue;
    if (actionOf(thread, signal).handler == SIG_IGN) installPlain(signal, SIG_IGN, buffer);
  }
}

/** After an execve that failed. */
export function reclaimIgnored(thread: ThreadBlock, buffer: usize): void {
  for (let signal: u32 = 1; signal <= SIGNAL_MAX; signal++) {
    if ((ENGINE_SIGNALS & signalBit(signal)) == 0) continue;
    const action = actionOf(thread, signal);
    if (action.handler == SIG_IGN) installAction(signal, action, buffer);
  }
}
