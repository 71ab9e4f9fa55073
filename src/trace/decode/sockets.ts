// Addresses of sockets, messages with their buffers and control data, and the values of options.

import { constantSet, enumText, flagsText } from "../../kernel-interface/constant-set.js";
import { type Field, type Value, addressValue, array, decimal, string, struct, text } from "../value.js";
import { type Call, unsignedAt } from "./context.js";
import { elementValue, fixedString, structOf } from "./element.js";

const AF_UNIX = 1n;
const AF_INET = 2n;
const AF_INET6 = 10n;
const AF_NETLINK = 16n;

const networkOrder = (bytes: Uint8Array, offset: number, size: number): bigint =>
  bytes.subarray(offset, offset + size).reduce((value, byte) => (value << 8n) | BigInt(byte), 0n);

const port = (bytes: Uint8Array): Value => {
  const number = networkOrder(bytes, 2, 2);
  return text(`htons(${number})`, Number(number));
};

/** The text that inet_ntop gives: the longest run of zeros, two words at least, becomes `::`. */
export function ipv6Text(bytes: Uint8Array): string {
  const words = Array.from({ length: 8 }, (_, index) => Number(networkOrder(bytes, 2 * index, 2)));
  let best = { start: -1, length: 1 };
  for (let start = 0; start < 8; start++) {
    let length = 0;
    while (start + length < 8 && words[start + length] === 0) length++;
    if (length > best.length) best = { start, length };
  }
  const isMapped = words.slice(0, 5).every((word) => word === 0) && words[5] === 0xffff;
  const isCompatible = words.slice(0, 6).every((word) => word === 0) && words[6] !== 0;
  const dotted = bytes.subarray(12, 16).join(".");
  if (isMapped) return `::ffff:${dotted}`;
  if (isCompatible) return `::${dotted}`;
  const join = (from: number, to: number): string =>
    words
      .slice(from, to)
      .map((word) => word.toString(16))
      .join(":");
  return best.start < 0 ? join(0, 8) : `${join(0, best.start)}::${join(best.start + best.length, 8)}`;
}

function unixPath(bytes: Uint8Array): Field {
  // An abstract name begins with NUL and has its length; a path ends at its NUL.
  if (bytes[0] === 0 && bytes.length > 1) return ["sun_path", string(bytes.subarray(1), false, "@")];
  return ["sun_path", fixedString(bytes)];
}

/** A sockaddr of as many bytes as the program said. */
export function socketAddress(bytes: Uint8Array): Value {
  const family = unsignedAt(bytes, 0, 2);
  const head: Field = ["sa_family", text(familyText(family))];
  if (bytes.length === 2) return struct([head]);
  if (family === AF_UNIX) return struct([head, unixPath(bytes.subarray(2))]);
  if (family === AF_INET && bytes.length >= 8) {
    const host = bytes.subarray(4, 8).join(".");
    return struct([head, ["sin_port", port(bytes)], ["sin_addr", text(`inet_addr("${host}")`, host)]]);
  }
  if (family === AF_INET6 && bytes.length >= 24) {
    const host = ipv6Text(bytes.subarray(8, 24));
    const fields: Field[] = [
      head,
      ["sin6_port", port(bytes)],
      ["sin6_flowinfo", text(`htonl(${networkOrder(bytes, 4, 4)})`)],
      ["", text(`inet_pton(AF_INET6, "${host}", &sin6_addr)`, host)],
    ];
    if (bytes.length >= 28) fields.push(["sin6_scope_id", decimal(unsignedAt(bytes, 24, 4))]);
    return struct(fields);
  }
  if (family === AF_NETLINK && bytes.length >= 12) {
    const groups = unsignedAt(bytes, 8, 4).toString(16).padStart(8, "0");
    return struct([head, ["nl_pid", decimal(BigInt.asIntN(32, unsignedAt(bytes, 4, 4)))], ["nl_groups", text(groups)]]);
  }
  return struct([head, ["sa_data", string(bytes.subarray(2))]]);
}

const familyText = (family: bigint): string => enumText(constantSet("address_family"), family);

const protocolSets = new Map([
  [AF_INET, "ip_protocol"],
  [AF_INET6, "ip_protocol"],
  [AF_NETLINK, "netlink_protocol"],
]);

/** The third argument of socket: what it names depends on the family. */
export function protocolValue(family: bigint, protocol: bigint): Value {
  const set = protocolSets.get(BigInt.asUintN(32, family));
  return set === undefined ? decimal(protocol) : text(enumText(constantSet(set), protocol));
}

const optionSets = new Map([
  [1n, "socket_option"],
  [0n, "ip_option"],
  [6n, "tcp_option"],
  [17n, "udp_option"],
  [41n, "ipv6_option"],
  [270n, "netlink_option"],
]);

export function optionName(level: bigint, option: bigint): Value {
  const set = optionSets.get(BigInt.asUintN(32, level));
  return set === undefined ? decimal(BigInt.asUintN(32, option)) : text(enumText(constantSet(set), option));
}

const SOL_SOCKET = 1n;
/** Options of SOL_SOCKET whose value is no int. */
const optionStructs = new Map([
  [13n, "linger"],
  [17n, "ucred"],
  [20n, "timeval"],
  [21n, "timeval"],
]);

export function optionValue(call: Call, level: bigint, option: bigint, bytes: Uint8Array): Value {
  const type = level === SOL_SOCKET ? optionStructs.get(option) : undefined;
  if (type === "timeval" && bytes.length >= 16) return structOf(call, type, bytes);
  if (type === "linger" && bytes.length >= 8)
    return struct([
      ["l_onoff", decimal(unsignedAt(bytes, 0, 4))],
      ["l_linger", decimal(unsignedAt(bytes, 4, 4))],
    ]);
  if (type === "ucred" && bytes.length >= 12) return structOf(call, type, bytes);
  if (bytes.length === 4) return array([decimal(BigInt.asIntN(32, unsignedAt(bytes, 0, 4)))]);
  const { textLimit } = call.options;
  return string(bytes.subarray(0, textLimit), bytes.length > textLimit);
}

/** iovecs in memory: the address and the size of each buffer. */
export function vectorsIn(bytes: Uint8Array): { base: bigint; size: bigint }[] {
  return Array.from({ length: bytes.length >> 4 }, (_, index) => ({
    base: unsignedAt(bytes, 16 * index, 8),
    size: unsignedAt(bytes, 16 * index + 8, 8),
  }));
}

/** Buffers of iovecs; `count` bytes of them altogether have been filled or are to be written. null: only their addresses. */
export function vectorsValue(
  call: Call,
  address: bigint,
  count: bigint,
  when: "entry" | "exit",
  transferred: bigint | null,
  hasData: boolean,
): Value {
  if (address === 0n) return addressValue(0n);
  const { textLimit, isVerbose } = call.options;
  const limit = isVerbose ? count : BigInt(Math.min(Number(count), textLimit));
  const bytes = call.memory(address, Number(limit) * 16, when) ?? call.memory(address, Number(limit) * 16, "entry");
  if (bytes === null) return addressValue(address);
  let left = transferred;
  const items = vectorsIn(bytes).map(({ base, size }): Value => {
    const available = left === null || left > size ? size : left;
    if (left !== null) left -= available;
    const content = hasData ? bufferValue(call, base, available, when) : addressValue(base);
    return struct([
      ["iov_base", content],
      ["iov_len", decimal(size)],
    ]);
  });
  return array(items, limit < count);
}

/** A buffer of a known size, of which as much was copied as -s asks for. */
export function bufferValue(call: Call, address: bigint, size: bigint, when: "entry" | "exit"): Value {
  if (address === 0n) return addressValue(0n);
  const { textLimit } = call.options;
  const shown = size > BigInt(textLimit) ? textLimit : Number(size);
  const bytes = call.memory(address, shown, when);
  return bytes === null ? addressValue(address) : string(bytes, size > BigInt(shown));
}

const SOL_SOCKET_LEVEL = 1n;
const SCM_RIGHTS = 1n;
const SCM_CREDENTIALS = 2n;
const CONTROL_HEADER = 16;

function controlMessage(call: Call, bytes: Uint8Array): Value {
  const [size, level, type] = [unsignedAt(bytes, 0, 8), unsignedAt(bytes, 8, 4), unsignedAt(bytes, 12, 4)];
  const data = bytes.subarray(CONTROL_HEADER, Number(size));
  const isSocket = level === SOL_SOCKET_LEVEL;
  const fields: Field[] = [
    ["cmsg_len", decimal(size)],
    ["cmsg_level", text(enumText(constantSet("socket_level"), level))],
    ["cmsg_type", isSocket ? text(enumText(constantSet("control_message"), type)) : text(`0x${type.toString(16)}`)],
  ];
  if (isSocket && type === SCM_RIGHTS) {
    const descriptors = Array.from({ length: data.length >> 2 }, (_, index) =>
      elementValue(call, "fd", data.subarray(4 * index)),
    );
    fields.push(["cmsg_data", array(descriptors)]);
  } else if (isSocket && type === SCM_CREDENTIALS && data.length >= 12)
    fields.push(["cmsg_data", structOf(call, "ucred", data)]);
  else fields.push(["cmsg_data", string(data)]);
  return struct(fields);
}

function controlData(call: Call, bytes: Uint8Array): Value {
  const messages: Value[] = [];
  for (let at = 0; at + CONTROL_HEADER <= bytes.length;) {
    const size = Number(unsignedAt(bytes, at, 8));
    if (size < CONTROL_HEADER || at + size > bytes.length) break;
    messages.push(controlMessage(call, bytes.subarray(at, at + size)));
    at += (size + 7) & ~7;
  }
  return array(messages);
}

/** A msghdr. Of one that was received, `before` is what the program had asked for. */
export function messageHeader(
  call: Call,
  bytes: Uint8Array,
  before: Uint8Array | null,
  when: "entry" | "exit",
  transferred: bigint | null,
): Value {
  const name = unsignedAt(bytes, 0, 8);
  const nameSize = unsignedAt(bytes, 8, 4);
  const askedSize = before === null ? nameSize : unsignedAt(before, 8, 4);
  const control = unsignedAt(bytes, 32, 8);
  const controlSize = unsignedAt(bytes, 40, 8);
  const nameBytes = call.memory(name, Math.min(Number(nameSize), Number(askedSize), 128), when);
  const controlBytes = controlSize === 0n ? null : call.memory(control, Math.min(Number(controlSize), 4096), when);
  const sizeValue: Value =
    askedSize === nameSize
      ? decimal(BigInt.asIntN(32, nameSize))
      : { kind: "change", from: decimal(BigInt.asIntN(32, askedSize)), to: decimal(BigInt.asIntN(32, nameSize)) };
  const fields: Field[] = [
    [
      "msg_name",
      nameBytes === null || name === 0n || nameBytes.length < 2 ? addressValue(name) : socketAddress(nameBytes),
    ],
    ["msg_namelen", sizeValue],
    ["msg_iov", vectorsValue(call, unsignedAt(bytes, 16, 8), unsignedAt(bytes, 24, 8), when, transferred, true)],
    ["msg_iovlen", decimal(unsignedAt(bytes, 24, 8))],
  ];
  if (control !== 0n || controlSize !== 0n)
    if (controlBytes !== null && control !== 0n) fields.push(["msg_control", controlData(call, controlBytes)]);
    else if (control !== 0n && controlSize !== 0n) fields.push(["msg_control", addressValue(control)]);
  fields.push(["msg_controllen", decimal(controlSize)]);
  fields.push(["msg_flags", text(flagsText(constantSet("message_flags"), unsignedAt(bytes, 48, 4)))]);
  return struct(fields);
}
