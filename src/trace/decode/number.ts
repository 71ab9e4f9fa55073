// Values that are what they are without memory: numbers, names, descriptors. `numbers` has every type of one value that
// signatures.txt and structs.txt use; sets of constants are types of their own name.

import {
  constant,
  constantSet,
  constantSets,
  enumText,
  flagsText,
  hexadecimal,
} from "../../kernel-interface/constant-set.js";
import { quote } from "../quote.js";
import { type Value, addressValue, decimal, hexadecimalValue, text } from "../value.js";
import { type Call } from "./context.js";

export interface NumberType {
  /** Bytes of it in memory. */
  readonly size: number;
  readonly show: (value: bigint, call: Call) => Value;
}

const signed = (value: bigint, bits: number): Value => decimal(BigInt.asIntN(bits, value));
const unsigned = (value: bigint, bits: number): Value => decimal(BigInt.asUintN(bits, value));
const hex = (value: bigint, bits: number): Value => hexadecimalValue(BigInt.asUintN(bits, value));

/** `0644`, `022`, `000`: at least three digits. */
export const octal = (value: bigint): string => (value === 0n ? "000" : `0${value.toString(8)}`.padStart(3, "0"));

function descriptor(value: bigint, call: Call): Value {
  const number = Number(BigInt.asIntN(32, value));
  const path = call.options.withPaths ? call.pathOf(number) : null;
  const name = number === -100 ? "AT_FDCWD" : String(number);
  if (path === null) return text(name, number);
  const quoted = quote(path).slice(1, -1).replaceAll("<", "\\74").replaceAll(">", "\\76").replaceAll('\\"', '"');
  return text(`${name}<${quoted}>`, {
    fd: number,
    path: Buffer.from(path).toString(),
  });
}

const plainDescriptor = (value: bigint, call: Call): Value => {
  const shown = descriptor(value, call);
  return shown.kind === "text" && shown.text === "AT_FDCWD" ? text("-100", -100) : shown;
};

const SIGRTMIN = 32n;
const SIGNALS = 64n;
const signalNames = constantSet("signal").names;

/** @returns the name without SIG, null when there is no such signal */
export function signalName(signal: bigint): string | null {
  const name = signalNames.get(signal);
  if (name !== undefined) return name.slice("SIG".length);
  if (signal === SIGRTMIN) return "RTMIN";
  return signal > SIGRTMIN && signal <= SIGNALS ? `RT_${signal - SIGRTMIN}` : null;
}

export function signalValue(value: bigint): Value {
  const signal = BigInt.asIntN(32, value);
  const name = signalName(signal);
  return name === null ? decimal(signal) : text(`SIG${name}`);
}

const TYPE_MASK = 0o170000n;
const fileTypes = constantSet("file_type").names;
const fileBits = constantSet("file_bits");

/** `S_IFREG|S_ISUID|0755`. */
export function fileModeText(value: bigint): string {
  const type = fileTypes.get(value & TYPE_MASK);
  if (type === undefined) return octal(value);
  const bits = fileBits.constants.filter((bit) => (value & bit.value) !== 0n).map((bit) => bit.name);
  return [type, ...bits, octal(value & 0o777n)].join("|");
}

/** The kernel's new_decode_dev: 12 bits of the major number between the two parts of the minor. */
export function deviceValue(value: bigint): Value {
  const major = ((value >> 8n) & 0xfffn) | ((value >> 32n) & 0xfffff000n);
  const minor = (value & 0xffn) | ((value >> 12n) & 0xffffff00n);
  return text(`makedev(${hexadecimal(major)}, ${hexadecimal(minor)})`);
}

const RLIM_INFINITY = (1n << 64n) - 1n;

function limit(value: bigint): Value {
  if (value === RLIM_INFINITY) return text("RLIM64_INFINITY");
  // A round number reads better as what somebody wrote.
  if (value > 1024n && value % 1024n === 0n) return text(`${value / 1024n}*1024`, Number(value));
  return decimal(value);
}

const TICKS_PER_SECOND = 100n;

/** Times of processes are counted in hundredths of a second (include/uapi/asm-generic/param.h). */
export function ticksValue(value: bigint): Value {
  if (value === 0n) return decimal(value);
  const hundredths = String(value % TICKS_PER_SECOND).padStart(2, "0");
  return {
    kind: "remark",
    value: decimal(value),
    remark: ` /* ${value / TICKS_PER_SECOND}.${hundredths} s */`,
  };
}

const HUGE_SHIFT = 26n;
const HUGE_MASK = 0x3fn << HUGE_SHIFT;

/** Flags that hold a page size in six bits: `21<<MAP_HUGE_SHIFT`. */
function withPageSize(base: string, value: bigint, shiftName: string): string {
  const pageSize = (value & HUGE_MASK) >> HUGE_SHIFT;
  if (pageSize === 0n) return base;
  const shift = `${pageSize}<<${shiftName}`;
  return base === "" ? shift : `${base}|${shift}`;
}

/** Flags without a name for what is left when there is something else to say. */
const flagsOrNothing = (set: string, value: bigint): string => (value === 0n ? "" : flagsText(constantSet(set), value));

/** Names joined; what has none last and bare. */
const joined = (...parts: string[]): string => parts.filter((part) => part !== "").join("|");

/** What flagsText says behind something that has been said: no comment. */
const moreFlags = (set: string, value: bigint): string => flagsOrNothing(set, value).replace(/ \/\*.*\*\/$/, "");

const ACCESS_MODE = 3n;

function openFlags(value: bigint, width: 32 | 64): string {
  const flags = BigInt.asUintN(width, value);
  const mode = constantSet("open_mode").names.get(flags & ACCESS_MODE)!;
  const set = { ...constantSet("open_flags"), width };
  const rest = flags & ~ACCESS_MODE;
  return joined(mode, rest === 0n ? "" : flagsText(set, rest).replace(/ \/\*.*\*\/$/, ""));
}

const MAP_TYPE = 0xfn;

function mapFlags(value: bigint): string {
  const flags = BigInt.asUintN(32, value);
  const type = enumText(constantSet("map_type"), flags & MAP_TYPE);
  return withPageSize(joined(type, moreFlags("map_flags", flags & ~MAP_TYPE & ~HUGE_MASK)), flags, "MAP_HUGE_SHIFT");
}

const PERMISSIONS = 0o777n;

function keyFlags(set: string, value: bigint, shiftName: string | null): string {
  const flags = BigInt.asUintN(32, value);
  const huge = shiftName === null ? 0n : HUGE_MASK;
  const names = moreFlags(set, flags & ~PERMISSIONS & ~huge);
  const sized = shiftName === null ? names : withPageSize(names, flags, shiftName);
  return joined(sized, octal(flags & PERMISSIONS));
}

function memfdFlags(value: bigint): string {
  const flags = BigInt.asUintN(32, value);
  const names = flagsOrNothing("memfd", flags & ~HUGE_MASK);
  const sized = withPageSize(names.replace(/ \/\*.*\*\/$/, ""), flags, "MFD_HUGE_SHIFT");
  return flags === 0n ? "0" : (flags & HUGE_MASK) === 0n ? names : sized;
}

const SOCKET_TYPE = 0xfn;

function socketType(value: bigint): string {
  const flags = BigInt.asUintN(32, value);
  const type = constantSet("socket_type").names.get(flags & SOCKET_TYPE);
  if (type === undefined) return flagsText(constantSet("socket_flags"), flags);
  return joined(type, moreFlags("socket_flags", flags & ~SOCKET_TYPE));
}

const SIGNAL_BITS = 0xffn;

/** clone's flags hold the signal that tells of the end in their low byte. */
function cloneFlags(value: bigint): string {
  const names = moreFlags("clone_flags", value & ~SIGNAL_BITS);
  const signal = value & SIGNAL_BITS;
  if (signal === 0n) return names === "" ? "0" : names;
  const name = signalName(signal);
  return joined(names, name === null ? String(signal) : `SIG${name}`);
}

const COMMAND_64 = 0x100n;

function ipcCommand(set: string, value: bigint): string {
  const command = BigInt.asUintN(32, value);
  const name = enumText(constantSet(set), command & ~COMMAND_64);
  return (command & COMMAND_64) === 0n ? name : `IPC_64|${name}`;
}

const PERSONALITY_MASK = 0xffn;

function personality(value: bigint): string {
  const bits = BigInt.asUintN(32, value);
  if (bits === 0xffffffffn) return "0xffffffff";
  return joined(
    enumText(constantSet("personality"), bits & PERSONALITY_MASK),
    moreFlags("personality_flags", bits & ~PERSONALITY_MASK),
  );
}

const STATX_SYNC = 0x6000n;

function statxFlags(value: bigint): string {
  const flags = BigInt.asUintN(32, value);
  const names = moreFlags("statx_flags", flags);
  return (flags & STATX_SYNC) === 0n ? joined("AT_STATX_SYNC_AS_STAT", names) : names;
}

const RESET_ON_FORK = 0x40000000n;

function schedulingPolicy(value: bigint): string {
  const policy = BigInt.asUintN(32, value);
  const set = constantSet("policy");
  const name = set.names.get(policy & ~RESET_ON_FORK);
  if (name === undefined) return enumText(set, policy);
  return (policy & RESET_ON_FORK) === 0n ? name : `${name}|SCHED_RESET_ON_FORK`;
}

const FUTEX_PRIVATE = 0x80n;
const FUTEX_CLOCK = 0x100n;

function futexOperation(value: bigint): string {
  const operation = BigInt.asUintN(32, value);
  const set = constantSet("futex_operation");
  const base = operation & ~(FUTEX_PRIVATE | FUTEX_CLOCK);
  const name = set.names.get(base);
  if (name === undefined) return enumText(set, operation);
  const isPrivate = (operation & FUTEX_PRIVATE) !== 0n;
  const said = isPrivate ? (name === "FUTEX_FD" ? `${name}|FUTEX_PRIVATE_FLAG` : `${name}_PRIVATE`) : name;
  return (operation & FUTEX_CLOCK) === 0n ? said : `${said}|FUTEX_CLOCK_REALTIME`;
}

const CPU_CLOCK_KINDS = ["CPUCLOCK_PROF", "CPUCLOCK_VIRT", "CPUCLOCK_SCHED"];

/** A negative clock is a process's or a thread's (kernel/time/posix-cpu-timers.c), or a descriptor's. */
function clock(value: bigint): string {
  const id = BigInt.asIntN(32, value);
  if (id >= 0n) return enumText(constantSet("clock"), id);
  const pid = ~(id >> 3n);
  const kind = Number(id & 3n);
  if (kind === 3) return (id & 4n) === 0n ? `FD_TO_CLOCKID(${pid})` : enumText(constantSet("clock"), id);
  const process = `MAKE_${(id & 4n) === 0n ? "PROCESS" : "THREAD"}_CPUCLOCK`;
  return `${process}(${pid}, ${CPU_CLOCK_KINDS[kind]!})`;
}

const IOC_DIRECTIONS = ["_IOC_NONE", "_IOC_WRITE", "_IOC_READ", "_IOC_READ|_IOC_WRITE"];

function ioctlCommand(value: bigint): string {
  const command = BigInt.asUintN(32, value);
  const name = constantSet("ioctl").names.get(command);
  const other = constantSet("ioctl_other").names.get(command);
  if (name !== undefined) return other === undefined ? name : [name, other].sort().join(" or ");
  const direction = IOC_DIRECTIONS[Number(command >> 30n)]!;
  const [type, number, size] = [(command >> 8n) & 0xffn, command & 0xffn, (command >> 16n) & 0x3fffn].map(hexadecimal);
  return `_IOC(${direction}, ${type}, ${number}, ${size})`;
}

function ioPriority(value: bigint): string {
  const priority = BigInt.asUintN(32, value);
  const className = enumText(constantSet("ioprio_class"), priority >> 13n);
  return `IOPRIO_PRIO_VALUE(${className}, ${priority & 0x1fffn})`;
}

function swapFlags(value: bigint): string {
  const flags = BigInt.asUintN(32, value);
  const priority = flags & 0x7fffn;
  const names = flagsOrNothing("swap", flags & ~0x7fffn);
  if (names === "") return String(priority);
  const isPreferred = (flags & constant("swap", "SWAP_FLAG_PREFER")) !== 0n;
  return isPreferred || priority !== 0n || names.endsWith("*/") ? `${names}|${priority}` : names;
}

function fanotifyInit(value: bigint): string {
  const flags = BigInt.asUintN(32, value);
  const group = enumText(constantSet("fanotify_class"), flags & 0xcn);
  return joined(group, flagsOrNothing("fanotify_flags", flags & ~0xcn));
}

function memoryPolicy(value: bigint, width: 32 | 64): string {
  const mode = BigInt.asUintN(width, value);
  const set = constantSet("memory_policy_flags");
  const flags = set.constants.reduce((bits, entry) => bits | entry.value, 0n);
  const names = (mode & flags) === 0n ? "" : flagsText(set, mode & flags);
  const policy = constantSet("memory_policy").names.get(mode & ~flags);
  if (policy !== undefined) return joined(policy, names);
  return names === "" ? enumText(constantSet("memory_policy"), mode) : `${names}|${hexadecimal(mode & ~flags)}`;
}

function specialKey(value: bigint): Value {
  const name = constantSet("special_key").names.get(BigInt.asIntN(32, value));
  return name === undefined ? signed(value, 32) : text(name);
}

const QUOTA_TYPES = ["USRQUOTA", "GRPQUOTA", "PRJQUOTA"];

function quotaCommand(value: bigint): string {
  const command = BigInt.asUintN(32, value);
  const kind = command & 0xffn;
  const type = QUOTA_TYPES[Number(kind)] ?? `${hexadecimal(kind)} /* ???QUOTA */`;
  return `QCMD(${hexadecimal(command >> 8n)} /* Q_??? */, ${type})`;
}

/** Names of the values that a program uses are few. */
const REMEMBERED = 4096;

function named(name: (value: bigint) => string): (value: bigint) => Value {
  const known = new Map<bigint, Value>();
  return (value) => {
    let said = known.get(value);
    if (said === undefined) {
      if (known.size === REMEMBERED) known.clear();
      said = text(name(value));
      known.set(value, said);
    }
    return said;
  };
}

const numberTypes: [string, number, (value: bigint, call: Call) => Value][] = [
  ["i8", 1, (value) => signed(value, 8)],
  ["u8", 1, (value) => unsigned(value, 8)],
  ["i16", 2, (value) => signed(value, 16)],
  ["u16", 2, (value) => unsigned(value, 16)],
  ["x16", 2, (value) => hex(value, 16)],
  ["i32", 4, (value) => signed(value, 32)],
  ["u32", 4, (value) => unsigned(value, 32)],
  ["x32", 4, (value) => hex(value, 32)],
  ["i64", 8, (value) => signed(value, 64)],
  ["u64", 8, (value) => unsigned(value, 64)],
  ["x64", 8, (value) => hex(value, 64)],
  ["int", 4, (value) => signed(value, 32)],
  ["uint", 4, (value) => unsigned(value, 32)],
  ["long", 8, (value) => signed(value, 64)],
  ["ulong", 8, (value) => unsigned(value, 64)],
  ["hex32", 4, (value) => hex(value, 32)],
  ["hex64", 8, (value) => hex(value, 64)],
  ["address", 8, (value) => addressValue(value)],
  ["pointer", 8, (value) => addressValue(value)],
  ["fd", 4, plainDescriptor],
  ["dirfd", 4, descriptor],
  ["pid", 4, (value) => signed(value, 32)],
  ["uid", 4, (value) => (BigInt.asUintN(32, value) === 0xffffffffn ? decimal(-1n) : unsigned(value, 32))],
  ["signal", 4, signalValue],
  ["mode", 2, (value) => text(octal(BigInt.asUintN(16, value)), Number(BigInt.asUintN(16, value)))],
  ["mode64", 8, (value) => text(value === 0n ? "0" : octal(value), Number(value))],
  ["file_mode", 2, (value) => text(fileModeText(BigInt.asUintN(16, value)))],
  ["file_mode32", 4, (value) => text(fileModeText(value))],
  ["dev", 4, (value) => deviceValue(BigInt.asUintN(32, value))],
  ["dev64", 8, deviceValue],
  ["limit", 8, limit],
  ["ticks", 8, ticksValue],
  ["open", 4, named((value) => openFlags(value, 32))],
  ["open64", 8, named((value) => openFlags(value, 64))],
  ["map", 4, named(mapFlags)],
  ["shm", 4, named((value) => keyFlags("shm_flags", value, "SHM_HUGE_SHIFT"))],
  ["ipc", 4, named((value) => keyFlags("ipc_flags", value, null))],
  ["key_t", 4, (value) => (BigInt.asUintN(32, value) === 0n ? text("IPC_PRIVATE") : hex(value, 32))],
  ["memfd_flags", 4, named(memfdFlags)],
  ["socket_type_flags", 4, named(socketType)],
  ["accept_flags", 4, named((value) => flagsText(constantSet("socket_flags"), value))],
  ["clone_flags", 8, named(cloneFlags)],
  ["shm_command", 4, named((value) => ipcCommand("shm_command", value))],
  ["sem_command", 4, named((value) => ipcCommand("sem_command", value))],
  ["msg_command", 4, named((value) => ipcCommand("msg_command", value))],
  ["personality_value", 4, named(personality)],
  ["statx_flags", 4, named(statxFlags)],
  ["policy", 4, named(schedulingPolicy)],
  ["futex_op", 4, named(futexOperation)],
  ["clock", 4, named(clock)],
  ["ioctl_command", 4, named(ioctlCommand)],
  ["ioprio", 4, named(ioPriority)],
  ["swap_flags", 4, named(swapFlags)],
  ["fanotify_init", 4, named(fanotifyInit)],
  ["memory_policy", 4, (value) => text(memoryPolicy(value, 32))],
  ["memory_policy_mode", 8, named((value) => memoryPolicy(value, 64))],
  ["key", 4, specialKey],
  ["quota_command", 4, named(quotaCommand)],
  ["syslog", 4, (value) => syslogAction(value)],
];

/** strace says the number first, and the name as a remark. */
function syslogAction(value: bigint): Value {
  const action = BigInt.asIntN(32, value);
  const set = constantSet("syslog");
  return text(`${action} /* ${set.names.get(action) ?? set.unknown} */`, Number(action));
}

const setTypes = [...constantSets].map(([name, set]): [string, number, (value: bigint) => Value] => [
  name,
  set.width / 8,
  named(set.isFlags ? (value) => flagsText(set, value) : (value) => enumText(set, value)),
]);

/** By the name of the type. */
export const numbers: ReadonlyMap<string, NumberType> = new Map(
  [...setTypes, ...numberTypes].map(([name, size, show]) => [name, { size, show }]),
);
