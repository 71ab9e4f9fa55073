// The arguments of a call, decoded and in the order in which strace says them.

import { constantSet, flagsText } from "../../kernel-interface/constant-set.js";
import { type Signature, signatures } from "../../kernel-interface/signature.js";
import { type TraceEvent } from "../event.js";
import { type Field, type Value, addressValue, decimal, hexadecimalValue, text } from "../value.js";
import {
  archPrctlArgument,
  fcntlArgument,
  filterProgram,
  futexValues,
  ioctlArgument,
  prctlValues,
} from "./commands.js";
import { Call, type DecodeOptions } from "./context.js";
import { numbers } from "./number.js";
import { isSaidAtEntry, pointerValue } from "./pointee.js";
import { optionName, protocolValue } from "./sockets.js";

/** One argument as it is said: `child_stack=` is the label of clone's. */
export interface SaidArgument {
  readonly name: string;
  readonly label: string;
  readonly value: Value;
  /** It could be said before the call had returned. */
  readonly isEarly: boolean;
}

function argumentValue(call: Call, index: number): Value {
  const argument = call.signature.arguments[index]!;
  const value = call.value(index);
  if (argument.direction !== "") return pointerValue(call, index);
  const number = numbers.get(argument.type);
  if (number === undefined) throw new Error(`${call.signature.name}: no such type: ${argument.type}`);
  return number.show(value, call);
}

const said = (call: Call, index: number, value: Value = argumentValue(call, index), label = ""): SaidArgument => {
  const argument = call.signature.arguments[index]!;
  return { name: argument.name, label, value, isEarly: isSaidAtEntry(argument) };
};

function all(call: Call, count = call.signature.arguments.length): SaidArgument[] {
  const parts: SaidArgument[] = [];
  for (let index = 0; index < count && index < call.signature.arguments.length; index++)
    if (call.signature.arguments[index]!.type !== "unshown") parts.push(said(call, index));
  return parts;
}

const O_CREAT = 0x40n;
const O_TMPFILE = 0x410000n;
const isCreated = (flags: bigint): boolean => (flags & O_CREAT) !== 0n || (flags & O_TMPFILE) === O_TMPFILE;

const MREMAP_NEW_ADDRESS = 3n;
const CLONE_SETTID = 0x100000n;
const CLONE_PIDFD = 0x1000n;
const CLONE_SETTLS = 0x80000n;
const CLONE_CHILD_TIDS = 0x1200000n;

function cloneArguments(call: Call): SaidArgument[] {
  const flags = call.value(0);
  const parts = [said(call, 1, addressValue(call.value(1)), "child_stack"), said(call, 0, undefined, "flags")];
  if ((flags & (CLONE_SETTID | CLONE_PIDFD)) !== 0n) parts.push(tidArgument(call, 2, "parent_tid"));
  if ((flags & CLONE_SETTLS) !== 0n) parts.push(said(call, 4, addressValue(call.value(4)), "tls"));
  if ((flags & CLONE_CHILD_TIDS) !== 0n) parts.push(said(call, 3, addressValue(call.value(3)), "child_tidptr"));
  return parts;
}

const tidArgument = (call: Call, index: number, label: string): SaidArgument => said(call, index, undefined, label);

/** Actions of syslog that take no buffer: CLOSE, OPEN, CLEAR, CONSOLE_OFF, CONSOLE_ON, SIZE_UNREAD, SIZE_BUFFER. */
const SHORT_SYSLOG = new Set([0n, 1n, 5n, 6n, 7n, 9n, 10n]);
const EPOLL_CTL_DEL = 2n;
/** MS_REMOUNT, MS_BIND, MS_MOVE, and those that change propagation: the type means nothing. */
const MS_WITHOUT_TYPE = 0x1e3020n;

/** strace looks at these arguments when the call has returned, and only if it has succeeded. */
const withAddressesOnFailure = (call: Call, from: number): SaidArgument[] =>
  all(call).map((part, index) =>
    call.isFailed && index >= from && call.signature.arguments[index]!.direction !== ""
      ? { ...part, value: addressValue(call.value(index)) }
      : part,
  );

const MEMBARRIER_CPU = 1n;
/** Everything but KCMP_FILE and KCMP_EPOLL_TFD compares whole processes. */
const KCMP_OF_PROCESSES = new Set([1n, 2n, 3n, 4n, 5n, 6n]);
const SECCOMP_SET_MODE_FILTER = 1n;

function seccompArguments(call: Call): SaidArgument[] {
  if (BigInt.asUintN(32, call.value(0)) !== SECCOMP_SET_MODE_FILTER)
    return [...all(call, 2), said(call, 2, addressValue(call.value(2)))];
  const flags = text(flagsText(constantSet("seccomp_filter"), call.value(1)));
  return [said(call, 0), said(call, 1, flags), said(call, 2, filterProgram(call, 2))];
}

const BLOCK_OR_CHARACTER = new Set([0o020000n, 0o060000n]);
const isDevice = (mode: bigint): boolean => BLOCK_OR_CHARACTER.has(mode & 0o170000n);

/** A command's argument in place of what its type alone would say. */
const withCommand =
  (index: number, show: (call: Call) => Value | null) =>
  (call: Call): SaidArgument[] => {
    const value = show(call);
    return value === null ? all(call, index) : [...all(call, index), said(call, index, value)];
  };

const withValues = (call: Call, count: number, values: readonly Value[]): SaidArgument[] => [
  ...all(call, count),
  ...values.map((value, index): SaidArgument => {
    const argument = call.signature.arguments[count + index];
    return { name: argument?.name ?? `arg${count + index + 1}`, label: "", value, isEarly: true };
  }),
];

/** Calls of which strace does not say all arguments, or not in order. */
const orders: Record<string, (call: Call) => SaidArgument[]> = {
  open: (call) => all(call, isCreated(call.value(1)) ? 3 : 2),
  openat: (call) => all(call, isCreated(call.value(2)) ? 4 : 3),
  mq_open: (call) => all(call, isCreated(call.value(1)) ? 4 : 2),
  mremap: (call) => [
    ...all(call, 4),
    ...((call.value(3) & MREMAP_NEW_ADDRESS) !== MREMAP_NEW_ADDRESS
      ? []
      : [said(call, 4, addressValue(call.value(4)))]),
  ],
  clone: cloneArguments,
  mknod: (call) => all(call, isDevice(call.value(1)) ? 3 : 2),
  mknodat: (call) => all(call, isDevice(call.value(2)) ? 4 : 3),
  fcntl: withCommand(2, fcntlArgument),
  ioctl: withCommand(2, ioctlArgument),
  arch_prctl: withCommand(1, archPrctlArgument),
  prctl: (call) => withValues(call, 1, prctlValues(call)),
  futex: (call) => withValues(call, 2, futexValues(call)),
  socketpair: (call) => [...all(call, 2), said(call, 2, decimal(call.value(2))), said(call, 3)],
  socket: withCommand(2, (call) => protocolValue(call.value(0), call.value(2))),
  epoll_ctl: (call) =>
    BigInt.asUintN(32, call.value(1)) === EPOLL_CTL_DEL
      ? [...all(call, 3), said(call, 3, addressValue(call.value(3)))]
      : all(call),
  epoll_pwait: (call) => withAddressesOnFailure(call, 4),
  epoll_pwait2: (call) => withAddressesOnFailure(call, 3),
  mount: (call) =>
    (call.value(3) & MS_WITHOUT_TYPE) === 0n
      ? all(call)
      : [...all(call, 2), said(call, 2, addressValue(call.value(2))), said(call, 3), said(call, 4)],
  setsockopt: (call) => optionArguments(call),
  getsockopt: (call) => optionArguments(call),
  reboot: (call) => all(call, call.value(2) === 0xa1b2c3d4n ? 4 : 3),
  ptrace: (call) => (call.value(0) === 0n ? all(call, 1) : all(call)),
  keyctl: (call) => [
    said(call, 0),
    ...[1, 2, 3, 4].map((index) => said(call, index, hexadecimalValue(call.value(index)))),
  ],
  syslog: (call) => all(call, SHORT_SYSLOG.has(BigInt.asUintN(32, call.value(0))) ? 1 : 3),
  membarrier: (call) => all(call, (call.value(1) & MEMBARRIER_CPU) === 0n ? 2 : 3),
  kcmp: (call) => all(call, KCMP_OF_PROCESSES.has(BigInt.asUintN(32, call.value(2))) ? 3 : 5),
  seccomp: seccompArguments,
};

function optionArguments(call: Call): SaidArgument[] {
  return [...all(call, 2), said(call, 2, optionName(call.value(1), call.value(2))), said(call, 3), said(call, 4)];
}

/** A call without a signature: a number that no kernel had when the table was made. */
function unknownSignature(number: number): Signature {
  const parameters = ["a", "b", "c", "d", "e", "f"].map((name) => ({
    name,
    direction: "" as const,
    type: "hex64",
    length: null,
    isForInterruption: false,
  }));
  return { number, name: `syscall_0x${number.toString(16)}`, classes: new Set(), arguments: parameters, result: "int" };
}

export const signatureOf = (number: number): Signature => signatures.get(number) ?? unknownSignature(number);

/** @returns the call of an event of kind call, enter or leave, and its arguments */
export function decodeCall(event: TraceEvent, options: DecodeOptions): { call: Call; said: SaidArgument[] } {
  const call = new Call(event, signatureOf(event.number), options);
  const order = orders[call.signature.name] ?? ((other: Call) => all(other));
  return { call, said: order(call) };
}

/** The arguments as fields of one object. */
export const argumentFields = (parts: readonly SaidArgument[]): Field[] =>
  parts.map(({ name, value }) => [name, value]);
