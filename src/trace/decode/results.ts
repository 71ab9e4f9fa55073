// What a call returned, as strace says it: `3`, `-1 ENOENT (No such file or directory)`, `?`, and what else it tells.

import { constantSet, errnoText, flagsText, hexadecimal } from "../../kernel-interface/constant-set.js";
import { type Json, jsonInteger, valueText } from "../value.js";
import { type Call, unsignedAt } from "./context.js";
import { structOf } from "./element.js";
import { descriptorsIn } from "./files.js";
import { numbers, octal } from "./number.js";

export interface Result {
  readonly text: string;
  readonly json: Json;
  /** The name of the error, null when there is none. */
  readonly error: string | null;
}

const plain = (text: string, json: Json): Result => ({ text, json, error: null });

function readyDescriptors(call: Call): string {
  const count = Number(call.value(1) & 0xffffffffn);
  const content = call.memory(call.value(0), count * 8, "exit");
  const said: string[] = [];
  for (let index = 0; content !== null && index < count; index++) {
    const events = unsignedAt(content, index * 8 + 6, 2);
    const fd = Number(BigInt.asIntN(32, unsignedAt(content, index * 8, 4)));
    if (events !== 0n && fd >= 0) said.push(`{fd=${fd}, revents=${flagsText(constantSet("poll_events"), events)}}`);
  }
  return `[${said.join(", ")}]`;
}

/** What is left of the time that ppoll and pselect were given; the kernel writes it back. */
function timeLeft(call: Call, argument: number, type: "timespec" | "timeval"): string | null {
  const address = call.value(argument);
  const content = address === 0n ? null : call.memory(address, 16, "exit");
  return content === null ? null : `left ${valueText(structOf(call, type, content))}`;
}

function pollResult(call: Call): Result {
  const { result } = call.event;
  if (result === 0n) return plain("0 (Timeout)", 0);
  const left = call.signature.name === "ppoll" ? timeLeft(call, 2, "timespec") : null;
  return plain(`${result} (${[readyDescriptors(call), ...(left === null ? [] : [left])].join(", ")})`, Number(result));
}

const SELECT_NAMES = ["in", "out", "except"];

function selectResult(call: Call): Result {
  const { result } = call.event;
  if (result === 0n) return plain("0 (Timeout)", 0);
  const count = Math.max(0, Math.min(Number(BigInt.asIntN(32, call.value(0))), 1024));
  const said = SELECT_NAMES.flatMap((name, index) => {
    const address = call.value(index + 1);
    const content = address === 0n ? null : call.memory(address, ((count + 63) >> 6) * 8, "exit");
    const members = content === null ? [] : descriptorsIn(content, count);
    return members.length === 0 ? [] : [`${name} [${members.join(" ")}]`];
  });
  const left = timeLeft(call, 4, call.signature.name === "select" ? "timeval" : "timespec");
  return plain(`${result} (${[...said, ...(left === null ? [] : [left])].join(", ")})`, Number(result));
}

const commands = constantSet("fcntl_command").names;

function fcntlResult(call: Call): Result {
  const { result } = call.event;
  const said = (name: string): Result => plain(`${hexadecimal(result)} (${name})`, Number(result));
  switch (commands.get(BigInt.asUintN(32, call.value(1)))) {
    case "F_GETFD":
      return result === 0n ? plain("0", 0) : said(`flags ${flagsText(constantSet("descriptor_flags"), result)}`);
    case "F_GETFL":
      return said(`flags ${valueText(numbers.get("open")!.show(result, call))}`);
    case "F_GET_SEALS":
      return result === 0n ? plain("0", 0) : said(`seals ${flagsText(constantSet("seals"), result)}`);
    case "F_DUPFD":
    case "F_DUPFD_CLOEXEC":
      return plain(valueText(numbers.get("fd")!.show(result, call)), Number(result));
    default:
      return plain(String(result), jsonInteger(result));
  }
}

const prctlResults = new Map([
  [3n, ["SUID_DUMP_DISABLE", "SUID_DUMP_USER", "SUID_DUMP_ROOT"]],
  [21n, ["SECCOMP_MODE_DISABLED", "SECCOMP_MODE_STRICT", "SECCOMP_MODE_FILTER"]],
]);

function prctlResult(call: Call): Result {
  const { result } = call.event;
  const name = prctlResults.get(call.value(0))?.[Number(result)];
  return name === undefined
    ? plain(String(result), Number(result))
    : plain(`${hexadecimal(result)} (${name})`, Number(result));
}

const CLOCK_STATES = ["TIME_OK", "TIME_INS", "TIME_DEL", "TIME_OOP", "TIME_WAIT", "TIME_ERROR"];

const shows: Record<string, (call: Call) => Result> = {
  ready: (call) => (call.signature.name.includes("select") ? selectResult(call) : pollResult(call)),
  fcntl: fcntlResult,
  prctl: prctlResult,
  mode: ({ event }) => plain(octal(event.result), Number(event.result)),
  address: ({ event }) => {
    const address = hexadecimal(BigInt.asUintN(64, event.result));
    return plain(address === "0" ? "NULL" : address, address);
  },
  policy: (call) =>
    plain(
      `${call.event.result} (${valueText(numbers.get("policy")!.show(call.event.result, call))})`,
      Number(call.event.result),
    ),
  clock_state: ({ event }) => {
    const name = CLOCK_STATES[Number(event.result)];
    return plain(name === undefined ? String(event.result) : `${event.result} (${name})`, Number(event.result));
  },
  personality_value: (call) =>
    plain(
      `${hexadecimal(call.event.result)} (${valueText(numbers.get("personality_value")!.show(call.event.result, call))})`,
      Number(call.event.result),
    ),
  ioprio: (call) =>
    plain(
      `${hexadecimal(call.event.result)} (${valueText(numbers.get("ioprio")!.show(call.event.result, call))})`,
      Number(call.event.result),
    ),
  fd: (call) => plain(valueText(numbers.get("fd")!.show(call.event.result, call)), Number(call.event.result)),
};

/** The result of a call that has returned. */
export function resultOf(call: Call): Result {
  const { result } = call.event;
  if (call.isFailed) {
    const errno = Number(-result);
    const error = errnoText(errno);
    if (error === null) return { text: `-1 (errno ${errno})`, json: -1, error: String(errno) };
    const first = error.isRestart ? "?" : "-1";
    return { text: `${first} ${error.name} (${error.message})`, json: -1, error: error.name };
  }
  const show = shows[call.signature.result];
  if (show !== undefined) return show(call);
  return plain(String(result), jsonInteger(result));
}
