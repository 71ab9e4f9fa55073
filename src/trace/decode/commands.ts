// Calls whose last arguments mean what their command says: fcntl, ioctl, prctl, arch_prctl, futex.

import { constant, constantSet, enumText, flagsText, hexadecimal } from "../../kernel-interface/constant-set.js";
import { type Value, addressValue, array, decimal, hexadecimalValue, struct, text } from "../value.js";
import { type Call, unsignedAt } from "./context.js";
import { elementValue, fixedString, structOf } from "./element.js";
import { terminalValue } from "./files.js";
import { numbers, signalValue } from "./number.js";

type When = "entry" | "exit";

/** A number or a struct that an argument points to; the address when it was not copied or is not written yet. */
function pointed(call: Call, argument: number, type: string, when: When, isArray = false): Value {
  const address = call.value(argument);
  const size = numbers.get(type)?.size;
  if (address === 0n || (when === "exit" && (call.isFailed || call.isOpen))) return addressValue(address);
  const bytes = call.some(address, 4096, when);
  if (bytes === null || bytes.length < (size ?? 1)) return addressValue(address);
  const value = elementValue(call, type, bytes);
  return isArray ? array([value]) : value;
}

const named = (names: Record<string, readonly string[]>, set: string): Map<bigint, string> =>
  new Map(
    Object.entries(names).flatMap(([kind, members]) =>
      members.map((name): [bigint, string] => [constant(set, name), kind]),
    ),
  );

const fcntlArguments = named(
  {
    none: ["F_GETFD", "F_GETFL", "F_GETOWN", "F_GETSIG", "F_GETLEASE", "F_GETPIPE_SZ", "F_GET_SEALS"],
    descriptor: ["F_DUPFD", "F_DUPFD_CLOEXEC"],
    descriptorFlags: ["F_SETFD"],
    openFlags: ["F_SETFL"],
    lock: ["F_SETLK", "F_SETLKW", "F_OFD_SETLK", "F_OFD_SETLKW"],
    askedLock: ["F_GETLK", "F_OFD_GETLK"],
    pid: ["F_SETOWN"],
    signal: ["F_SETSIG"],
    number: ["F_SETPIPE_SZ"],
    lease: ["F_SETLEASE"],
    notify: ["F_NOTIFY"],
    seals: ["F_ADD_SEALS"],
    owner: ["F_SETOWN_EX"],
    askedOwner: ["F_GETOWN_EX"],
  },
  "fcntl_command",
);

/** @returns null when the command takes no third argument */
export function fcntlArgument(call: Call): Value | null {
  const value = call.value(2);
  switch (fcntlArguments.get(BigInt.asUintN(32, call.value(1)))) {
    case "none":
      return null;
    case "descriptor":
    case "pid":
    case "number":
      return decimal(BigInt.asIntN(32, value));
    case "descriptorFlags":
      return text(flagsText(constantSet("descriptor_flags"), value));
    case "openFlags":
      return numbers.get("open")!.show(value, call);
    case "signal":
      return signalValue(value);
    case "lease":
      return text(enumText(constantSet("lock_type"), value));
    case "notify":
      return text(flagsText(constantSet("notify"), value));
    case "seals":
      return text(flagsText(constantSet("seals"), value));
    case "lock":
      return pointed(call, 2, "flock", "entry");
    case "askedLock":
      return pointed(call, 2, "flock", call.isFailed ? "entry" : "exit");
    case "owner":
      return pointed(call, 2, "owner", "entry");
    case "askedOwner":
      return pointed(call, 2, "owner", "exit");
    default:
      return addressValue(value);
  }
}

const ioctlArguments = named(
  {
    terminalWritten: ["TCGETS"],
    terminalRead: ["TCSETS", "TCSETSW", "TCSETSF"],
    sizeWritten: ["TIOCGWINSZ"],
    sizeRead: ["TIOCSWINSZ"],
    numberWritten: ["FIONREAD", "TIOCGPGRP", "TIOCGSID", "TIOCOUTQ", "TIOCGPTN"],
    numberRead: ["FIONBIO", "TIOCSPGRP", "TIOCSPTLCK", "FIOASYNC"],
    none: ["TIOCNOTTY", "FIOCLEX", "FIONCLEX", "TIOCEXCL", "TIOCNXCL"],
    value: ["TIOCSCTTY", "TCSBRK", "TCXONC", "TCFLSH"],
    descriptor: ["FICLONE"],
  },
  "ioctl",
);

/** @returns null when the request takes no argument */
export function ioctlArgument(call: Call): Value | null {
  const value = call.value(2);
  const terminal = (when: When): Value => {
    const bytes = when === "exit" && (call.isFailed || call.isOpen) ? null : call.memory(value, 36, when);
    return bytes === null ? addressValue(value) : terminalValue(bytes);
  };
  switch (ioctlArguments.get(BigInt.asUintN(32, call.value(1)))) {
    case "terminalWritten":
      return terminal("exit");
    case "terminalRead":
      return terminal("entry");
    case "sizeWritten":
      return pointed(call, 2, "winsize", "exit");
    case "sizeRead":
      return pointed(call, 2, "winsize", "entry");
    case "numberWritten":
      return pointed(call, 2, "int", "exit", true);
    case "numberRead":
      return pointed(call, 2, "int", "entry", true);
    case "none":
      return null;
    case "value":
    case "descriptor":
      return decimal(BigInt.asIntN(32, value));
    default:
      return hexadecimalValue(value);
  }
}

const prctlArguments = named(
  {
    none: ["PR_GET_DUMPABLE", "PR_GET_KEEPCAPS", "PR_GET_SECCOMP", "PR_GET_TIMERSLACK", "PR_GET_TIMING"],
    signal: ["PR_SET_PDEATHSIG"],
    name: ["PR_SET_NAME"],
    nameWritten: ["PR_GET_NAME"],
    number: ["PR_SET_KEEPCAPS", "PR_SET_TIMERSLACK", "PR_SET_CHILD_SUBREAPER"],
    dumpable: ["PR_SET_DUMPABLE"],
    five: ["PR_SET_NO_NEW_PRIVS", "PR_GET_NO_NEW_PRIVS"],
    capability: ["PR_CAPBSET_READ", "PR_CAPBSET_DROP"],
    seccomp: ["PR_SET_SECCOMP"],
    numberWritten: ["PR_GET_PDEATHSIG", "PR_GET_CHILD_SUBREAPER", "PR_GET_UNALIGN", "PR_GET_TSC"],
  },
  "prctl",
);

const DUMPABLE = ["SUID_DUMP_DISABLE", "SUID_DUMP_USER", "SUID_DUMP_ROOT"];

/** A sock_fprog: how long the filter is, and where. */
export function filterProgram(call: Call, argument: number): Value {
  const bytes = call.memory(call.value(argument), 16, "entry");
  if (bytes === null) return addressValue(call.value(argument));
  return struct([
    ["len", decimal(unsignedAt(bytes, 0, 2))],
    ["filter", addressValue(unsignedAt(bytes, 8, 8))],
  ]);
}

/** What the option makes of the arguments behind it. */
export function prctlValues(call: Call): Value[] {
  const value = call.value(1);
  const rest = (first: number): Value[] =>
    [1, 2, 3, 4].slice(first - 1).map((index) => hexadecimalValue(call.value(index)));
  switch (prctlArguments.get(BigInt.asUintN(32, call.value(0)))) {
    case "none":
      return [];
    case "signal":
      return [signalValue(value)];
    case "name": {
      const bytes = call.some(value, 16, "entry");
      return [bytes === null ? addressValue(value) : fixedString(bytes)];
    }
    case "nameWritten": {
      const bytes = call.isFailed ? null : call.some(value, 16, "exit");
      return [bytes === null ? addressValue(value) : fixedString(bytes)];
    }
    case "number":
      return [decimal(value)];
    case "dumpable":
      return [text(DUMPABLE[Number(value)] ?? hexadecimal(value))];
    case "five":
      return Number(call.value(0)) === 38 ? [decimal(value), ...rest(2)] : rest(1);
    case "capability":
      return [text(enumText(constantSet("capability"), value))];
    case "seccomp":
      return [text(enumText(constantSet("seccomp_mode"), value)), filterProgram(call, 2)].slice(
        0,
        value === 1n ? 1 : 2,
      );
    case "numberWritten":
      return [pointed(call, 1, "int", "exit", true)];
    default:
      return rest(1);
  }
}

const ARCH_GET = new Set([constant("arch_prctl", "ARCH_GET_FS"), constant("arch_prctl", "ARCH_GET_GS")]);

export function archPrctlArgument(call: Call): Value {
  const code = BigInt.asUintN(32, call.value(0));
  return ARCH_GET.has(code) ? pointed(call, 1, "pointer", "exit", true) : hexadecimalValue(call.value(1));
}

const FUTEX_COMMAND = 0x7fn;
const futexKinds = named(
  {
    wait: ["FUTEX_WAIT"],
    waitBitset: ["FUTEX_WAIT_BITSET"],
    wake: ["FUTEX_WAKE", "FUTEX_FD"],
    wakeBitset: ["FUTEX_WAKE_BITSET"],
    requeue: ["FUTEX_REQUEUE"],
    compareRequeue: ["FUTEX_CMP_REQUEUE"],
    lock: ["FUTEX_LOCK_PI", "FUTEX_LOCK_PI2"],
    unlock: ["FUTEX_UNLOCK_PI", "FUTEX_TRYLOCK_PI"],
  },
  "futex_operation",
);
const MATCH_ANY = 0xffffffffn;

function futexTimeout(call: Call): Value {
  const bytes = call.memory(call.value(3), 16, "entry");
  return bytes === null ? addressValue(call.value(3)) : structOf(call, "timespec", bytes);
}

/** Arguments of futex behind the operation. */
export function futexValues(call: Call): Value[] {
  const value = decimal(BigInt.asUintN(32, call.value(2)));
  const count = decimal(BigInt.asUintN(32, call.value(3)));
  const other = addressValue(call.value(4));
  const mask = BigInt.asUintN(32, call.value(5));
  const bitset = mask === MATCH_ANY ? text("FUTEX_BITSET_MATCH_ANY") : hexadecimalValue(mask);
  switch (futexKinds.get(call.value(1) & FUTEX_COMMAND)) {
    case "wait":
      return [value, futexTimeout(call)];
    case "waitBitset":
      return [value, futexTimeout(call), bitset];
    case "wake":
      return [value];
    case "wakeBitset":
      return [value, bitset];
    case "requeue":
      return [value, count, other];
    case "compareRequeue":
      return [value, count, other, decimal(mask)];
    case "lock":
      return [futexTimeout(call)];
    case "unlock":
      return [];
    default:
      return [value, addressValue(call.value(3)), other, hexadecimalValue(mask)];
  }
}

export const integerAt = (bytes: Uint8Array): bigint => BigInt.asIntN(32, unsignedAt(bytes, 0, 4));
