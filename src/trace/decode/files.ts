// What the kernel says of files: stat and its younger brother, sets of descriptors, terminals.

import { constantSet, flagsText, hexadecimal } from "../../kernel-interface/constant-set.js";
import { type Field, type Value, decimal, struct, text } from "../value.js";
import { type Call, unsignedAt } from "./context.js";
import { deviceValue, fileModeText } from "./number.js";

const TYPE_MASK = 0o170000n;
const S_IFCHR = 0o020000n;
const S_IFBLK = 0o060000n;

const two = (number: number): string => String(number).padStart(2, "0");

/** ` /* 2024-05-06T07:08:09.000000001+0000 *\/`: in the time zone of whoever looks. */
export function dateRemark(seconds: bigint, nanoseconds: bigint): string {
  if (seconds === 0n && nanoseconds === 0n) return "";
  const date = new Date(Number(seconds) * 1000);
  if (Number.isNaN(date.getTime())) return "";
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  const time = [date.getHours(), date.getMinutes(), date.getSeconds()].map(two).join(":");
  const fraction = nanoseconds === 0n ? "" : `.${String(nanoseconds).padStart(9, "0")}`;
  const east = -date.getTimezoneOffset();
  const zone = `${east < 0 ? "-" : "+"}${two(Math.trunc(Math.abs(east) / 60))}${two(Math.abs(east) % 60)}`;
  return ` /* ${day}T${time}${fraction}${zone} */`;
}

function timeFields(name: string, bytes: Uint8Array, offset: number): Field[] {
  const seconds = BigInt.asIntN(64, unsignedAt(bytes, offset, 8));
  const nanoseconds = unsignedAt(bytes, offset + 8, 8);
  const shown: Value = { kind: "remark", value: decimal(seconds), remark: dateRemark(seconds, nanoseconds) };
  return [
    [`${name}`, shown],
    [`${name}_nsec`, decimal(nanoseconds)],
  ];
}

/** struct stat of AMD64 (arch/x86/include/uapi/asm/stat.h). */
export function statValue(call: Call, bytes: Uint8Array): Value {
  const at = (offset: number, size: number): bigint => unsignedAt(bytes, offset, size);
  const mode = at(24, 4);
  const isDevice = (mode & TYPE_MASK) === S_IFCHR || (mode & TYPE_MASK) === S_IFBLK;
  const sizeField: Field = isDevice
    ? ["st_rdev", deviceValue(at(40, 8))]
    : ["st_size", decimal(BigInt.asIntN(64, at(48, 8)))];
  const modeField: Field = ["st_mode", text(fileModeText(mode))];
  if (!call.options.isVerbose) return struct([modeField, sizeField], true);
  return struct([
    ["st_dev", deviceValue(at(0, 8))],
    ["st_ino", decimal(at(8, 8))],
    modeField,
    ["st_nlink", decimal(at(16, 8))],
    ["st_uid", decimal(at(28, 4))],
    ["st_gid", decimal(at(32, 4))],
    ["st_blksize", decimal(at(56, 8))],
    ["st_blocks", decimal(at(64, 8))],
    sizeField,
    ...timeFields("st_atime", bytes, 72),
    ...timeFields("st_mtime", bytes, 88),
    ...timeFields("st_ctime", bytes, 104),
  ]);
}

function statxTime(bytes: Uint8Array, offset: number): Value {
  const seconds = BigInt.asIntN(64, unsignedAt(bytes, offset, 8));
  const nanoseconds = unsignedAt(bytes, offset + 8, 4);
  return {
    kind: "remark",
    value: struct([
      ["tv_sec", decimal(seconds)],
      ["tv_nsec", decimal(nanoseconds)],
    ]),
    remark: dateRemark(seconds, nanoseconds),
  };
}

const STATX_BTIME = 0x800n;

const device = (bytes: Uint8Array, offset: number): Field[] => {
  const [major, minor] = [unsignedAt(bytes, offset, 4), unsignedAt(bytes, offset + 4, 4)];
  return [
    ["major", decimal(major)],
    ["minor", decimal(minor)],
  ];
};

/** struct statx (include/uapi/linux/stat.h). */
export function statxValue(call: Call, bytes: Uint8Array): Value {
  const at = (offset: number, size: number): bigint => unsignedAt(bytes, offset, size);
  const attributes = constantSet("statx_attributes");
  const { isVerbose } = call.options;
  const mode: Field = ["stx_mode", text(fileModeText(at(28, 2)))];
  const size: Field = ["stx_size", decimal(at(40, 8))];
  const mask: Field = ["stx_mask", text(flagsText(constantSet("statx_mask"), at(0, 4)))];
  const flags: Field = ["stx_attributes", text(flagsText(attributes, at(8, 8)))];
  if (!isVerbose) return struct([mask, flags, mode, size], true);
  const fields: Field[] = [
    mask,
    ["stx_blksize", decimal(at(4, 4))],
    flags,
    ["stx_nlink", decimal(at(16, 4))],
    ["stx_uid", decimal(at(20, 4))],
    ["stx_gid", decimal(at(24, 4))],
    mode,
    ["stx_ino", decimal(at(32, 8))],
    size,
    ["stx_blocks", decimal(at(48, 8))],
    ["stx_attributes_mask", text(flagsText(attributes, at(56, 8)))],
    ["stx_atime", statxTime(bytes, 64)],
    ...((at(0, 4) & STATX_BTIME) === 0n ? [] : ([["stx_btime", statxTime(bytes, 80)]] as Field[])),
    ["stx_ctime", statxTime(bytes, 96)],
    ["stx_mtime", statxTime(bytes, 112)],
    ...device(bytes, 128).map(([name, value]): Field => [`stx_rdev_${name}`, value]),
    ...device(bytes, 136).map(([name, value]): Field => [`stx_dev_${name}`, value]),
    ["stx_mnt_id", text(hexadecimal(at(144, 8)))],
  ];
  return struct(fields);
}

/** Members of an fd_set below `count`. */
export function descriptorsIn(bytes: Uint8Array, count: number): number[] {
  const limit = Math.min(count, bytes.length * 8);
  return Array.from({ length: limit }, (_, fd) => fd).filter((fd) => (bytes[fd >> 3]! & (1 << (fd & 7))) !== 0);
}

const BAUD_RATES = [
  [0, "B0"],
  [1, "B50"],
  [2, "B75"],
  [3, "B110"],
  [4, "B134"],
  [5, "B150"],
  [6, "B200"],
  [7, "B300"],
  [8, "B600"],
  [9, "B1200"],
  [10, "B1800"],
  [11, "B2400"],
  [12, "B4800"],
  [13, "B9600"],
  [14, "B19200"],
  [15, "B38400"],
  [0x1001, "B57600"],
  [0x1002, "B115200"],
  [0x1003, "B230400"],
] as const;
const CBAUD = 0x100f;

/** The kernel's struct termios, said by what most care about: `{B38400 opost isig icanon echo ...}`. */
export function terminalValue(bytes: Uint8Array): Value {
  const [output, control, local] = [4, 8, 12].map((offset) => Number(unsignedAt(bytes, offset, 4)));
  const baud = BAUD_RATES.find(([value]) => value === (control! & CBAUD))?.[1] ?? "B???";
  const flag = (bits: number, mask: number, name: string): string => `${(bits & mask) === 0 ? "-" : ""}${name}`;
  const words = [
    baud,
    flag(output!, 1, "opost"),
    flag(local!, 1, "isig"),
    flag(local!, 2, "icanon"),
    flag(local!, 8, "echo"),
  ];
  return text(`{${words.join(" ")} ...}`);
}
