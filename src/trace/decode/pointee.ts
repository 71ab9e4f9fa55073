// What is behind a pointer. A type of signatures.txt is a number or a struct (element.ts), or has its own function here.

import { addressTypes } from "../../kernel-interface/capture-plan.js";
import { type Argument, type Length } from "../../kernel-interface/signature.js";
import { layouts } from "../../kernel-interface/struct-layout.js";
import { constantSet, enumText, flagsText, hexadecimal } from "../../kernel-interface/constant-set.js";
import { quoteHexadecimal } from "../quote.js";
import {
  type Field,
  type Value,
  addressValue,
  array,
  decimal,
  hexadecimalValue,
  string,
  struct,
  text,
} from "../value.js";
import { type Call, unsignedAt } from "./context.js";
import { signalValue } from "./number.js";
import { elementSize, elementValue, fixedString, structOf } from "./element.js";
import { dateRemark, descriptorsIn, statValue, statxValue } from "./files.js";
import { actionValue, signalInfo, signalSet, waitStatus } from "./signals.js";
import { bufferValue, messageHeader, optionValue, socketAddress, vectorsIn, vectorsValue } from "./sockets.js";

export type When = "entry" | "exit";

interface Pointer {
  readonly call: Call;
  readonly argument: Argument;
  readonly index: number;
  /** Not zero. */
  readonly address: bigint;
  readonly when: When;
}

/** null: only the address is said. */
type Show = (pointer: Pointer) => Value | null;

/** @returns how many elements or bytes there are, null when that was not copied */
function lengthOf(pointer: Pointer, length: Length | null): bigint | null {
  const { call, when } = pointer;
  if (length === null) return 1n;
  switch (length.kind) {
    case "constant":
      return BigInt(length.count);
    case "argument":
    case "vector":
      return call.value(length.argument);
    case "result": {
      const { result } = call.event;
      if (length.argument === null) return result;
      const room = call.value(length.argument);
      return result > room ? room : result;
    }
    case "indirect": {
      const bytes = call.memory(call.value(length.argument), 4, when);
      const before = call.memory(call.value(length.argument), 4, "entry");
      if (bytes === null) return null;
      const [size, room] = [bytes, before ?? bytes].map((part) => unsignedAt(part, 0, 4));
      return size! > room! ? room! : size!;
    }
  }
}

/** A fixed number of bytes at the pointer. */
const fixed =
  (size: number, show: (bytes: Uint8Array, pointer: Pointer) => Value): Show =>
  (pointer) => {
    const bytes = pointer.call.memory(pointer.address, size, pointer.when);
    return bytes === null ? null : show(bytes, pointer);
  };

const PATH_MAX = 4096;

function path({ call, address, when }: Pointer): Value | null {
  const bytes = call.some(address, PATH_MAX, when);
  if (bytes === null) return null;
  const end = bytes.indexOf(0);
  return end < 0 ? string(bytes.subarray(0, PATH_MAX - 1), true) : string(bytes.subarray(0, end));
}

/** A string up to its NUL, of which -s bytes are shown. */
function stringAt(call: Call, address: bigint, when: When): Value {
  const { textLimit } = call.options;
  const bytes = call.some(address, textLimit + 1, when);
  if (address === 0n || bytes === null) return addressValue(address);
  const end = bytes.indexOf(0);
  return end >= 0 ? string(bytes.subarray(0, end)) : string(bytes.subarray(0, textLimit), true);
}

/** Pointers up to NULL. */
function pointersAt(call: Call, address: bigint): bigint[] | null {
  const pointers: bigint[] = [];
  for (let at = address; ; at += 8n) {
    const bytes = call.memory(at, 8, "entry");
    if (bytes === null) return pointers.length === 0 ? null : pointers;
    const pointer = unsignedAt(bytes, 0, 8);
    if (pointer === 0n) return pointers;
    pointers.push(pointer);
  }
}

function strings({ call, address }: Pointer): Value | null {
  const pointers = pointersAt(call, address);
  if (pointers === null) return null;
  const shown = call.options.isVerbose ? pointers : pointers.slice(0, call.options.textLimit);
  return array(
    shown.map((pointer) => stringAt(call, pointer, "entry")),
    shown.length < pointers.length,
  );
}

function environment(pointer: Pointer): Value | null {
  if (pointer.call.options.isVerbose) return strings(pointer);
  const pointers = pointersAt(pointer.call, pointer.address);
  if (pointers === null) return null;
  const noun = pointers.length === 1 ? "var" : "vars";
  return { kind: "remark", value: addressValue(pointer.address), remark: ` /* ${pointers.length} ${noun} */` };
}

function bytes(pointer: Pointer): Value | null {
  const size = lengthOf(pointer, pointer.argument.length);
  return size === null ? null : bufferValue(pointer.call, pointer.address, size, pointer.when);
}

function random(pointer: Pointer): Value | null {
  const size = lengthOf(pointer, pointer.argument.length)!;
  const { textLimit } = pointer.call.options;
  const shown = size > BigInt(textLimit) ? textLimit : Number(size);
  const content = pointer.call.memory(pointer.address, shown, pointer.when);
  if (content === null) return null;
  return text(`${quoteHexadecimal(content)}${size > BigInt(shown) ? "..." : ""}`, Buffer.from(content).toString("hex"));
}

function cwd(pointer: Pointer): Value | null {
  const size = Number(lengthOf(pointer, pointer.argument.length));
  const content = pointer.call.memory(pointer.address, size, pointer.when);
  return content === null ? null : string(content.subarray(0, size - 1));
}

/** Elements in a row; strace shows as many as -s says. */
function elements(pointer: Pointer): Value | null {
  const { call, argument, address, when } = pointer;
  const size = elementSize(argument.type);
  const count = lengthOf(pointer, argument.length);
  if (size === null || count === null) return null;
  const isArray = argument.length !== null || !layouts.has(argument.type);
  if (isArray && count <= 0n) return array([]);
  const shown =
    call.options.isVerbose || count < BigInt(call.options.textLimit) ? Number(count) : call.options.textLimit;
  const content = call.memory(address, shown * size, when);
  if (content === null) return null;
  const items = Array.from({ length: shown }, (_, index) =>
    elementValue(call, argument.type, content.subarray(index * size)),
  );
  return isArray ? array(items, BigInt(shown) < count) : items[0]!;
}

/** The two times of utimensat and kin. */
function times(name: string, scale: bigint): Show {
  return ({ call, address, when }) => {
    const content = call.memory(address, 32, when);
    if (content === null) return null;
    const items = [0, 16].map((offset): Value => {
      const part = content.subarray(offset, offset + 16);
      const [seconds, fraction] = [BigInt.asIntN(64, unsignedAt(part, 0, 8)), unsignedAt(part, 8, 8)];
      const special = name === "timespec" ? specialTimes.get(fraction) : undefined;
      if (special !== undefined) return text(special);
      const isValid = fraction < 1_000_000_000n / scale;
      return {
        kind: "remark",
        value: structOf(call, name, part),
        remark: isValid ? dateRemark(seconds, fraction * scale) : "",
      };
    });
    return array(items);
  };
}

const specialTimes = new Map([
  [0x3fffffffn, "UTIME_NOW"],
  [0x3ffffffen, "UTIME_OMIT"],
]);

const POLLFD_SIZE = 8;

function pollDescriptors({ call, address, when }: Pointer): Value | null {
  const count = call.value(1) & 0xffffffffn;
  if (when === "exit") return null;
  const shown =
    call.options.isVerbose || count < BigInt(call.options.textLimit) ? Number(count) : call.options.textLimit;
  const content = call.memory(address, shown * POLLFD_SIZE, when);
  if (content === null) return null;
  const items = Array.from({ length: shown }, (_, index): Value => {
    const descriptor = elementValue(call, "fd", content.subarray(index * POLLFD_SIZE));
    if (BigInt.asIntN(32, unsignedAt(content, index * POLLFD_SIZE, 4)) < 0n) return struct([["fd", descriptor]]);
    const events = unsignedAt(content, index * POLLFD_SIZE + 4, 2);
    return struct([
      ["fd", descriptor],
      ["events", text(flagsText(constantSet("poll_events"), events))],
    ]);
  });
  return array(items, BigInt(shown) < count);
}

function descriptorSet({ call, address }: Pointer): Value | null {
  const count = Math.min(Number(BigInt.asIntN(32, call.value(0))), 1024);
  if (count < 0) return null;
  const content = call.memory(address, ((count + 63) >> 6) * 8, "entry");
  if (content === null) return null;
  const members = descriptorsIn(content, count);
  return text(`[${members.join(" ")}]`, members);
}

/** pselect6 and io_pgetevents pass the set and its size behind one pointer. */
function signalSetArgument({ call, address, when }: Pointer): Value | null {
  const content = call.memory(address, 16, when);
  if (content === null) return null;
  const set = unsignedAt(content, 0, 8);
  const mask = call.memory(set, 8, when);
  return struct([
    ["sigmask", mask === null ? addressValue(set) : signalSet(mask)],
    ["sigsetsize", decimal(unsignedAt(content, 8, 8))],
  ]);
}

/** A length that the kernel takes and gives: `[16]`, `[128 => 16]`. */
function changedLength({ call, address }: Pointer): Value | null {
  const before = call.memory(address, 4, "entry");
  if (before === null) return null;
  const after = call.isFailed || call.isOpen ? null : call.memory(address, 4, "exit");
  const [from, to] = [before, after ?? before].map((part) => decimal(BigInt.asIntN(32, unsignedAt(part, 0, 4))));
  const isChanged = after !== null && unsignedAt(before, 0, 4) !== unsignedAt(after, 0, 4);
  return array([isChanged ? { kind: "change", from: from!, to: to! } : from!]);
}

function socketAddressAt(pointer: Pointer): Value | null {
  const size = lengthOf(pointer, pointer.argument.length);
  if (size === null || size < 2n) return null;
  const content = pointer.call.memory(pointer.address, Number(size > 128n ? 128n : size), pointer.when);
  return content === null ? null : socketAddress(content);
}

/** More than any option has. */
const OPTION_LIMIT = 4096n;

function optionAt(pointer: Pointer): Value | null {
  const size = lengthOf(pointer, pointer.argument.length);
  const shown = size === null || size > OPTION_LIMIT ? OPTION_LIMIT : size;
  const content = size === null ? null : pointer.call.memory(pointer.address, Number(shown), pointer.when);
  if (content === null) return null;
  const [level, option] = [pointer.call.value(1), pointer.call.value(2)].map((value) => BigInt.asUintN(32, value));
  return optionValue(pointer.call, level!, option!, content);
}

function vectors({ call, argument, address, when }: Pointer): Value | null {
  const count = call.value(
    argument.length?.kind === "vector" || argument.length?.kind === "argument" ? argument.length.argument : 0,
  );
  const isRead = argument.direction === ">>";
  const transferred = isRead && when === "exit" ? call.event.result : null;
  return vectorsValue(call, address, count, when, transferred, !isRead || when === "exit");
}

function vectorAddresses({ call, argument, address }: Pointer): Value | null {
  const count = call.value(argument.length?.kind === "argument" ? argument.length.argument : 0);
  const { textLimit, isVerbose } = call.options;
  const shown = isVerbose || count < BigInt(textLimit) ? Number(count) : textLimit;
  const content = call.memory(address, shown * 16, "entry");
  if (content === null) return null;
  return array(
    vectorsIn(content).map(({ base, size }) =>
      struct([
        ["iov_base", addressValue(base)],
        ["iov_len", decimal(size)],
      ]),
    ),
    BigInt(shown) < count,
  );
}

const MSGHDR_SIZE = 56;

function message({ call, argument, address, when }: Pointer): Value | null {
  const content = call.memory(address, MSGHDR_SIZE, when);
  if (content === null) return null;
  const isReceived = argument.direction === ">>";
  if (isReceived && when === "entry") return struct([["msg_namelen", decimal(unsignedAt(content, 8, 4))]]);
  const before = isReceived ? call.memory(address, MSGHDR_SIZE, "entry") : null;
  return messageHeader(call, content, before, when, isReceived ? call.event.result : null);
}

const MMSGHDR_SIZE = 64;

function messages({ call, argument, address, when }: Pointer): Value | null {
  const count = when === "exit" ? Number(call.event.result) : Number(call.value(2) & 0xffffffffn);
  const shown = call.options.isVerbose ? count : Math.min(count, call.options.textLimit);
  const items: Value[] = [];
  for (let index = 0; index < shown; index++) {
    const part = call.memory(address + BigInt(index * MMSGHDR_SIZE), MMSGHDR_SIZE, when);
    if (part === null) return null;
    const size = unsignedAt(part, MSGHDR_SIZE, 4);
    const header = messageHeader(call, part, null, when, argument.direction === ">>" ? size : null);
    const fields: Field[] = [["msg_hdr", header]];
    if (when === "exit") fields.push(["msg_len", decimal(size)]);
    items.push(struct(fields));
  }
  return array(items, shown < count);
}

/** linux_dirent64, and the older linux_dirent with the type in its last byte. */
function directoryEntry(call: Call, bytes: Uint8Array): Value {
  const isOld = call.signature.name === "getdents";
  const name = bytes.subarray(isOld ? 18 : 19);
  const fields: Field[] = [
    ["d_ino", decimal(unsignedAt(bytes, 0, 8))],
    ["d_off", decimal(unsignedAt(bytes, 8, 8))],
    ["d_reclen", decimal(BigInt(bytes.length))],
  ];
  const type: Field = [
    "d_type",
    text(enumText(constantSet("entry_type"), BigInt(bytes[isOld ? bytes.length - 1 : 18]!))),
  ];
  const nameField: Field = ["d_name", fixedString(name)];
  return struct(isOld ? [...fields, nameField, type] : [...fields, type, nameField]);
}

function directoryEntries({ call, address, when }: Pointer): Value | null {
  const size = Number(call.event.result);
  const content = size === 0 ? new Uint8Array(0) : call.some(address, size, when);
  if (content === null) return null;
  const entries: Uint8Array[] = [];
  for (let at = 0; at + 19 < content.length;) {
    const step = Number(unsignedAt(content, at + 16, 2));
    if (step === 0 || at + step > content.length) break;
    entries.push(content.subarray(at, at + step));
    at += step;
  }
  if (call.options.isVerbose) return array(entries.map((entry) => directoryEntry(call, entry)));
  return { kind: "remark", value: addressValue(address), remark: ` /* ${entries.length} entries */` };
}

function cpuSet(pointer: Pointer): Value | null {
  const size = lengthOf(pointer, pointer.argument.length);
  if (size === null || size > 4096n) return null;
  const content = pointer.call.memory(pointer.address, Number(size), pointer.when);
  if (content === null) return null;
  const members = descriptorsIn(content, content.length * 8);
  return text(`[${members.join(" ")}]`, members);
}

const SI_SIZE = 128;

function scheduling({ call, address, when }: Pointer): Value | null {
  const content = call.some(address, 56, when);
  if (content === null || content.length < 48) return null;
  const policy = Number(unsignedAt(content, 4, 4));
  const at = (offset: number, size: number): bigint => unsignedAt(content, offset, size);
  const flags = at(8, 8);
  const fields: Field[] = [
    ["size", decimal(at(0, 4))],
    ["sched_policy", text(enumText(constantSet("policy"), BigInt(policy)))],
    ["sched_flags", text(flagsText(constantSet("sched_flags"), flags))],
  ];
  const [isFair, isRealTime, isDeadline] = [policy === 0 || policy === 3, policy === 1 || policy === 2, policy === 6];
  if (isFair) fields.push(["sched_nice", decimal(BigInt.asIntN(32, at(16, 4)))]);
  if (isRealTime) fields.push(["sched_priority", decimal(at(20, 4))]);
  if (isDeadline)
    fields.push(
      ["sched_runtime", decimal(at(24, 8))],
      ["sched_deadline", decimal(at(32, 8))],
      ["sched_period", decimal(at(40, 8))],
    );
  const size = at(0, 4);
  const isClamped = (flags & 0x60n) !== 0n;
  if (content.length >= 56 && size >= 56n && (when === "exit" || isClamped))
    fields.push(["sched_util_min", decimal(at(48, 4))], ["sched_util_max", decimal(at(52, 4))]);
  return struct(fields, size > 56n);
}

const CLONE_PARENT_SETTID = 0x100000n;
const CLONE_CHILD_TIDS = 0x1200000n;
const CLONE_PIDFD = 0x1000n;
const CLONE_SETTLS = 0x80000n;

/** clone3's arguments: each of the later ones only where a flag makes it mean something. */
function cloneArguments({ call, address }: Pointer): Value | null {
  const content = call.some(address, 88, "entry");
  if (content === null || content.length < 64) return null;
  const at = (offset: number): bigint => (offset + 8 > content.length ? 0n : unsignedAt(content, offset, 8));
  const flags = at(0);
  const fields: Field[] = [["flags", text(flagsText(constantSet("clone3_flags"), flags))]];
  if ((flags & CLONE_PIDFD) !== 0n) fields.push(["pidfd", addressValue(at(8))]);
  if ((flags & CLONE_CHILD_TIDS) !== 0n) fields.push(["child_tid", addressValue(at(16))]);
  if ((flags & CLONE_PARENT_SETTID) !== 0n) fields.push(["parent_tid", addressValue(at(24))]);
  const signal = at(32);
  const name = signal === 0n ? null : enumText(constantSet("signal"), signal);
  fields.push(
    ["exit_signal", name === null || name.includes("/*") ? decimal(signal) : text(name)],
    ["stack", addressValue(at(40))],
    ["stack_size", text(hexadecimal(at(48)), Number(at(48)))],
  );
  if ((flags & CLONE_SETTLS) !== 0n) fields.push(["tls", addressValue(at(56))]);
  if (at(64) !== 0n || at(72) !== 0n) fields.push(["set_tid", addressValue(at(64))], ["set_tid_size", decimal(at(72))]);
  if (at(80) !== 0n) fields.push(["cgroup", decimal(at(80))]);
  return struct(fields);
}

function notification({ call, address }: Pointer): Value | null {
  const content = call.memory(address, 64, "entry");
  if (content === null) return null;
  const at = (offset: number, size: number): bigint => unsignedAt(content, offset, size);
  const kind = at(12, 4);
  const fields: Field[] = [];
  if (at(0, 8) !== 0n)
    fields.push([
      "sigev_value",
      struct([
        ["sival_int", decimal(BigInt.asIntN(32, at(0, 4)))],
        ["sival_ptr", addressValue(at(0, 8))],
      ]),
    ]);
  fields.push(
    ["sigev_signo", signalValue(at(8, 4))],
    ["sigev_notify", text(enumText(constantSet("notify_kind"), kind))],
  );
  if (kind === 4n) fields.push(["sigev_notify_thread_id", decimal(BigInt.asIntN(32, at(16, 4)))]);
  return struct(fields);
}

const CAPABILITY_SETS = ["effective", "permitted", "inheritable"];

const CAPABILITIES_64 = new Set([0x20071026n, 0x20080522n]);

function capabilities({ call, address, when }: Pointer): Value | null {
  const header = call.memory(call.value(0), 4, "entry");
  const content = call.memory(address, 24, when);
  if (content === null || header === null) return null;
  const isWide = CAPABILITIES_64.has(unsignedAt(header, 0, 4));
  const names = constantSet("capability").constants;
  const fields = CAPABILITY_SETS.map((name, index): Field => {
    const bits = unsignedAt(content, 4 * index, 4) | (isWide ? unsignedAt(content, 12 + 4 * index, 4) << 32n : 0n);
    const said = names.filter(({ value }) => (bits & (1n << value)) !== 0n).map((entry) => `1<<${entry.name}`);
    const rest = names.reduce((left, { value }) => left & ~(1n << value), bits);
    if (rest !== 0n) said.push(hexadecimal(rest));
    return [name, text(said.length === 0 ? "0" : said.join("|"))];
  });
  return struct(fields);
}

function messageOfQueue(pointer: Pointer): Value | null {
  const size = lengthOf(pointer, pointer.argument.length);
  const type = pointer.call.memory(pointer.address, 8, pointer.when);
  if (size === null || type === null) return null;
  return struct([
    ["mtype", decimal(BigInt.asIntN(64, unsignedAt(type, 0, 8)))],
    ["mtext", bufferValue(pointer.call, pointer.address + 8n, size, pointer.when)],
  ]);
}

const NODES_PER_WORD = 64n;

/** Nodes of memory: as many bits as the argument behind the mask says. */
function nodeMask({ call, address, index, when }: Pointer): Value | null {
  const count = call.value(call.signature.name === "migrate_pages" ? 1 : index + 1);
  // The kernel takes one off (mm/mempolicy.c, get_nodes).
  const words = count === 0n ? 0 : Number((count + NODES_PER_WORD - 2n) / NODES_PER_WORD);
  if (words === 0) return null;
  const shown = call.options.isVerbose ? words : Math.min(words, call.options.textLimit);
  const content = call.memory(address, shown * 8, when);
  if (content === null) return null;
  const items = Array.from({ length: shown }, (_, word): Value => {
    const bits = unsignedAt(content, word * 8, 8);
    return text(`${bits === 0n ? "" : "0x"}${bits.toString(16).padStart(16, "0")}`);
  });
  return array(items, shown < words);
}

const KERNEL_SET_SIZE = 8n;

const shows: Record<string, Show> = {
  path,
  string: ({ call, address, when }) => stringAt(call, address, when),
  strings,
  environment,
  bytes,
  random,
  cwd,
  stat: fixed(144, (content, { call }) => statValue(call, content)),
  statx: fixed(256, (content, { call }) => statxValue(call, content)),
  pollfds: pollDescriptors,
  sigaction: fixed(32, actionValue),
  sigset: (pointer) =>
    lengthOf(pointer, pointer.argument.length) === KERNEL_SET_SIZE ? fixed(8, signalSet)(pointer) : null,
  siginfo: fixed(SI_SIZE, signalInfo),
  sigset_argument: signalSetArgument,
  fd_set: descriptorSet,
  wait_status: ({ call, address }) => {
    const content = call.event.result === 0n ? null : call.memory(address, 4, "exit");
    return content === null ? null : waitStatus(Number(unsignedAt(content, 0, 4)));
  },
  length: changedLength,
  sockaddr: socketAddressAt,
  socket_option_value: optionAt,
  iovec: vectors,
  iovec_addresses: vectorAddresses,
  msghdr: message,
  mmsghdr: messages,
  entries: directoryEntries,
  cpu_set: cpuSet,
  timespecs: times("timespec", 1n),
  timevals: times("timeval", 1000n),
  sched_attr: scheduling,
  clone_args: cloneArguments,
  sigevent: notification,
  cap_data: capabilities,
  message: messageOfQueue,
  node_mask: nodeMask,
};

/** When an argument that the kernel reads and writes is said. */
const saidAtExit: ReadonlySet<string> = new Set(["iovec", "msghdr", "mmsghdr", "length", "pointer"]);

/** @returns whether the argument can be said before the call has returned */
export const isSaidAtEntry = ({ direction, type }: Argument): boolean =>
  direction === "" || direction === "<" || (direction === "=" && !saidAtExit.has(type));

/** The value of an argument that is a pointer. */
export function pointerValue(call: Call, index: number): Value {
  const argument = call.signature.arguments[index]!;
  const address = call.value(index);
  if (argument.type === "raw") return hexadecimalValue(address);
  if (address === 0n || addressTypes.has(argument.type)) return addressValue(address);
  const isAtEntry = isSaidAtEntry(argument);
  const when: When = isAtEntry ? "entry" : "exit";
  const show = shows[argument.type] ?? elements;
  const pointer: Pointer = { call, argument, index, address, when };
  if (argument.type === "length") return show(pointer) ?? addressValue(address);
  if (!isAtEntry && !call.isWritten(argument)) {
    // What the call would have filled is still said by where it was to go.
    const isReadToo = (argument.direction === ">>") !== (argument.type === "mmsghdr");
    return (isReadToo && !call.isOpen ? show({ ...pointer, when: "entry" }) : null) ?? addressValue(address);
  }
  return show(pointer) ?? addressValue(address);
}
