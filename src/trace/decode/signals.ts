// Sets of signals, what a signal tells, and what to do about it.

import { type ConstantSet, constantSet, flagsText, hexadecimal } from "../../kernel-interface/constant-set.js";
import { type Field, type Value, addressValue, decimal, struct, text } from "../value.js";
import { signalName, signalValue, ticksValue } from "./number.js";
import { unsignedAt } from "./context.js";

const SIGNALS = 64;

/** A mask as strace says it: `[INT CHLD]`, and `~[KILL STOP]` of all but a few. */
export function signalSetText(mask: bigint): string {
  const isIn = (signal: number): boolean => (mask & (1n << BigInt(signal - 1))) !== 0n;
  const all = Array.from({ length: SIGNALS }, (_, index) => index + 1);
  const members = all.filter(isIn);
  const isInverted = members.length >= Math.trunc((SIGNALS * 2) / 3);
  const said = isInverted ? all.filter((signal) => !isIn(signal)) : members;
  return `${isInverted ? "~" : ""}[${said.map((signal) => signalName(BigInt(signal))).join(" ")}]`;
}

/** Of `size` bytes; the kernel knows 8. */
export const signalSet = (bytes: Uint8Array): Value =>
  text(signalSetText(unsignedAt(bytes, 0, Math.min(bytes.length, 8))));

const handlers = new Map([
  [0n, "SIG_DFL"],
  [1n, "SIG_IGN"],
  [(1n << 64n) - 1n, "SIG_ERR"],
]);

const SA_RESTORER = 0x04000000n;

/** The kernel's struct sigaction: handler, flags, restorer, mask. */
export function actionValue(bytes: Uint8Array): Value {
  const handler = unsignedAt(bytes, 0, 8);
  const flags = unsignedAt(bytes, 8, 8);
  const name = handlers.get(handler);
  const fields: Field[] = [
    ["sa_handler", name === undefined ? addressValue(handler) : text(name)],
    ["sa_mask", text(signalSetText(unsignedAt(bytes, 24, 8)))],
    ["sa_flags", text(flagsText(constantSet("action_flags"), flags))],
  ];
  if ((flags & SA_RESTORER) !== 0n) fields.push(["sa_restorer", addressValue(unsignedAt(bytes, 16, 8))]);
  return struct(fields);
}

const codeSets = new Map(
  Object.entries({
    ILL: "code_ill",
    FPE: "code_fpe",
    SEGV: "code_segv",
    BUS: "code_bus",
    TRAP: "code_trap",
    CHLD: "code_child",
    IO: "code_poll",
    SYS: "code_sys",
  }),
);

function codeText(signal: bigint, code: bigint): string {
  const any = constantSet("code_any").names.get(code);
  if (any !== undefined) return any;
  const own: string | undefined = codeSets.get(signalName(signal) ?? "");
  const set: ConstantSet | null = own === undefined ? null : constantSet(own);
  const bits = BigInt.asUintN(32, code);
  return set?.names.get(code) ?? (set === null ? hexadecimal(bits) : `${hexadecimal(bits)} /* ${set.unknown} */`);
}

const SI_USER = 0n;
const SI_KERNEL = 0x80n;
const SI_TIMER = -2n;
const SI_TKILL = -6n;

/** A siginfo: which fields it has depends on the signal and on who sent it (include/uapi/asm-generic/siginfo.h). */
export function signalInfo(bytes: Uint8Array): Value {
  const at = (offset: number, size: number): bigint => unsignedAt(bytes, offset, size);
  const i32 = (offset: number): Value => decimal(BigInt.asIntN(32, at(offset, 4)));
  const u32 = (offset: number): Value => decimal(at(offset, 4));
  const signal = at(0, 4);
  const errno = BigInt.asIntN(32, at(4, 4));
  const code = BigInt.asIntN(32, at(8, 4));
  const name = signalName(signal);
  if (signal === 0n) return struct([]);
  const fields: Field[] = [
    ["si_signo", signalValue(signal)],
    ["si_code", text(codeText(signal, code))],
  ];
  if (errno !== 0n) fields.push(["si_errno", decimal(errno)]);
  const sender: Field[] = [
    ["si_pid", i32(16)],
    ["si_uid", u32(20)],
  ];
  const payload: Field[] = [
    ["si_int", i32(24)],
    ["si_ptr", addressValue(at(24, 8))],
  ];
  if (code === SI_USER || code === SI_TKILL) fields.push(...sender);
  else if (code === SI_TIMER) fields.push(["si_timerid", hexOf(at(16, 4))], ["si_overrun", i32(20)], ...payload);
  else if (code < 0n) fields.push(...sender, ...payload);
  else if (name === "CHLD" && code !== SI_KERNEL)
    fields.push(
      ...sender,
      ["si_status", code === 1n ? i32(24) : signalValue(at(24, 4))],
      ["si_utime", ticksValue(at(32, 8))],
      ["si_stime", ticksValue(at(40, 8))],
    );
  else if (name === "SYS" && code !== SI_KERNEL)
    fields.push(
      ["si_call_addr", addressValue(at(16, 8))],
      ["si_syscall", decimal(at(24, 4))],
      ["si_arch", hexOf(at(28, 4))],
    );
  else if (name === "IO" && code !== SI_KERNEL) fields.push(["si_band", decimal(at(16, 8))], ["si_fd", i32(24)]);
  else if (["ILL", "FPE", "SEGV", "BUS", "TRAP"].includes(name ?? ""))
    fields.push(["si_addr", addressValue(at(16, 8))]);
  else if (code !== SI_KERNEL || at(16, 8) !== 0n) fields.push(...sender, ...(at(24, 8) === 0n ? [] : payload));
  return struct(fields);
}

const hexOf = (value: bigint): Value => text(hexadecimal(value), Number(value));

/** What wait4 says of a child, as the macros that a program asks it with. */
export function waitStatus(status: number): Value {
  const signal = status & 0x7f;
  const condition = (first: string, ...more: string[]): string => [`${first}(s)`, ...more].join(" && ");
  const name = (number: number): string => {
    const shown = signalName(BigInt(number));
    return shown === null ? String(number) : `SIG${shown}`;
  };
  let said: string;
  if (status === 0xffff) said = condition("WIFCONTINUED");
  else if ((status & 0xff) === 0x7f) {
    const event = status >> 16;
    said =
      condition("WIFSTOPPED", `WSTOPSIG(s) == ${name((status >> 8) & 0xff)}`) +
      (event === 0 ? "" : ` | ${event} << 16`);
  } else if (signal === 0) said = condition("WIFEXITED", `WEXITSTATUS(s) == ${(status >> 8) & 0xff}`);
  else
    said = condition(
      "WIFSIGNALED",
      `WTERMSIG(s) == ${name(signal)}`,
      ...((status & 0x80) === 0 ? [] : ["WCOREDUMP(s)"]),
    );
  return text(`[{${said}}]`, status);
}
