// What has to be copied out of the program's memory for a call to be said in full: the steps of src/abi/capture.ts, made of
// the call's signature. A recorder reads what it can: a step whose address cannot be read gives nothing.

import {
  AT_ENTRY,
  AT_EXIT,
  AT_FAILURE,
  CAPTURE_COUNTED,
  CAPTURE_FIXED,
  CAPTURE_INDIRECT,
  CAPTURE_IOCTL,
  CAPTURE_MESSAGE,
  CAPTURE_MESSAGES,
  CAPTURE_RETURNED,
  CAPTURE_STRING,
  CAPTURE_STRINGS,
  CAPTURE_VECTOR,
  NO_ARGUMENT,
  STEP_SIZE,
  TEXT_LIMIT,
} from "../abi/capture.js";
import { type Argument, type Length, type Signature } from "./signature.js";
import { layouts } from "./struct-layout.js";

export interface CaptureStep {
  readonly kind: number;
  readonly argument: number;
  readonly when: number;
  readonly length: number;
  readonly unit: number;
  readonly limit: number;
}

/** More than any path or struct has. */
const MEMORY_LIMIT = 4096;
/** Entries of a directory are counted, so all of them are copied: libc asks for 32 KiB. */
const ENTRIES_LIMIT = 65528;

/** Sizes of what is behind pointers and is not in structs.txt. */
const sizes: ReadonlyMap<string, number> = new Map([
  ["stat", 144],
  ["statx", 256],
  ["pollfds", 8],
  ["sigaction", 32],
  ["siginfo", 128],
  ["sigset_argument", 16],
  ["fd_set", 128],
  ["wait_status", 4],
  ["length", 4],
  ["timex", 208],
  ["timespecs", 32],
  ["timevals", 32],
  ["sigevent", 64],
  ["sched_attr", 56],
  ["clone_args", 88],
  ["perf_event_attr", 128],
  ["io_uring_params", 120],
  ["file_handle", 136],
  ["cap_data", 24],
  ["memory_policy", 4],
  ["node_mask", 128],
  ["shmctl", 112],
  ["semctl", 104],
  ["msgctl", 120],
  ["futex_timeout", 16],
  ["ptrace_data", 64],
  ["seccomp_argument", 16],
  ["fsconfig_value", 256],
  ["prctl_argument", 16],
  ["arch_prctl_argument", 8],
  ["fcntl", 32],
  ["dev", 8],
  // Values as they are without a pointer.
  ["int", 4],
  ["uint", 4],
  ["fd", 4],
  ["pid", 4],
  ["uid", 4],
  ["hex32", 4],
  ["long", 8],
  ["ulong", 8],
  ["hex64", 8],
  ["pointer", 8],
]);

/** Elements of one byte each. */
const byteTypes = new Set([
  "bytes",
  "random",
  "sigset",
  "sockaddr",
  "socket_option_value",
  "entries",
  "cwd",
  "vector",
  "cpu_set",
]);
/** Bytes of which only the beginning is said. */
const textTypes = new Set(["bytes", "random", "vector"]);
/** Of these only the address is said. */
export const addressTypes: ReadonlySet<string> = new Set(["opaque", "address", "raw"]);

/** @returns bytes of one element of the type */
function sizeOf(type: string): number {
  const size = layouts.get(type)?.size ?? sizes.get(type) ?? (byteTypes.has(type) ? 1 : undefined);
  if (size === undefined) throw new Error(`no size is known of what is behind a pointer to ${type}`);
  return size;
}

function lengthStep(type: string, length: Length): Pick<CaptureStep, "kind" | "length" | "unit"> {
  const unit = sizeOf(type);
  switch (length.kind) {
    case "constant":
      return { kind: CAPTURE_FIXED, length: NO_ARGUMENT, unit: unit * length.count };
    case "result":
      return { kind: CAPTURE_RETURNED, length: length.argument ?? NO_ARGUMENT, unit };
    case "indirect":
      return { kind: CAPTURE_INDIRECT, length: length.argument, unit };
    case "argument":
    case "vector":
      return { kind: CAPTURE_COUNTED, length: length.argument, unit };
  }
}

function stepOf(type: string, length: Length | null): Pick<CaptureStep, "kind" | "length" | "unit" | "limit"> {
  const argument = length !== null && "argument" in length && length.argument !== null ? length.argument : NO_ARGUMENT;
  switch (type) {
    case "path":
      return { kind: CAPTURE_STRING, length: NO_ARGUMENT, unit: 1, limit: MEMORY_LIMIT };
    case "string":
      return { kind: CAPTURE_STRING, length: NO_ARGUMENT, unit: 1, limit: TEXT_LIMIT };
    case "strings":
    case "environment":
      return { kind: CAPTURE_STRINGS, length: NO_ARGUMENT, unit: 1, limit: TEXT_LIMIT };
    case "iovec":
      return { kind: CAPTURE_VECTOR, length: argument, unit: 16, limit: TEXT_LIMIT };
    case "iovec_addresses":
      return { kind: CAPTURE_COUNTED, length: argument, unit: 16, limit: MEMORY_LIMIT };
    case "msghdr":
      return { kind: CAPTURE_MESSAGE, length: NO_ARGUMENT, unit: 56, limit: TEXT_LIMIT };
    case "mmsghdr":
      return { kind: CAPTURE_MESSAGES, length: argument, unit: 64, limit: TEXT_LIMIT };
    case "message":
      // Its type stands in front of what the length counts.
      return { kind: CAPTURE_FIXED, length: NO_ARGUMENT, unit: MEMORY_LIMIT, limit: MEMORY_LIMIT };
    case "ioctl":
      return { kind: CAPTURE_IOCTL, length: 1, unit: 64, limit: MEMORY_LIMIT };
    default: {
      const limit = textTypes.has(type) ? TEXT_LIMIT : type === "entries" ? ENTRIES_LIMIT : MEMORY_LIMIT;
      if (length !== null) return { ...lengthStep(type, length), limit };
      return { kind: CAPTURE_FIXED, length: NO_ARGUMENT, unit: sizeOf(type), limit };
    }
  }
}

/** When the memory behind an argument is copied. What the kernel only writes has nothing to say before. */
function timesOf(argument: Argument): number[] {
  const exit = argument.isForInterruption ? AT_FAILURE : AT_EXIT;
  if (argument.direction === "<") return [AT_ENTRY];
  if (argument.direction === ">") return [exit];
  return [AT_ENTRY, exit];
}

/** The steps for a call, in the order of its arguments, those at entry first. */
export function capturePlan(signature: Signature): CaptureStep[] {
  const steps = signature.arguments.flatMap((argument, index) => {
    if (argument.direction === "" || addressTypes.has(argument.type)) return [];
    const step = stepOf(argument.type, argument.length);
    return timesOf(argument).map((when) => ({ ...step, argument: index, when }));
  });
  return steps.sort((a, b) => a.when - b.when);
}

/** The steps as bytes: see src/abi/capture.ts. */
export function encodePlan(steps: readonly CaptureStep[]): Uint8Array {
  const bytes = new Uint8Array(steps.length * STEP_SIZE);
  const view = new DataView(bytes.buffer);
  for (const [index, step] of steps.entries()) {
    const at = index * STEP_SIZE;
    bytes.set([step.kind, step.argument, step.when, step.length], at);
    view.setUint16(at + 4, step.unit, true);
    view.setUint16(at + 6, step.limit, true);
  }
  return bytes;
}
