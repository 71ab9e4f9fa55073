// A call that is being decoded: its event, and the program's memory around it.

import { type Argument, type Signature } from "../../kernel-interface/signature.js";
import { type TraceEvent } from "../event.js";

export interface DecodeOptions {
  /** -s: so many bytes of a string are shown, so many elements of an array. */
  readonly textLimit: number;
  /** -v: structs, environments and arrays in full. */
  readonly isVerbose: boolean;
  /** -y: the paths of descriptors. */
  readonly withPaths: boolean;
}

export const defaultOptions: DecodeOptions = {
  textLimit: 32,
  isVerbose: false,
  withPaths: false,
};

/** The kernel's errors are the results -1 to -4095. */
const isError = (result: bigint): boolean => result < 0n && result > -4096n;

/** EINTR, and what the kernel says in its place of a call that may be made again (include/linux/errno.h). */
const interruptions = new Set([-4n, -512n, -513n, -514n, -516n]);

export class Call {
  readonly isFailed: boolean;
  /** By a signal: the call may be made again. */
  readonly isInterrupted: boolean;
  /** It has been entered and has not returned. */
  readonly isOpen: boolean;

  constructor(
    readonly event: TraceEvent,
    readonly signature: Signature,
    readonly options: DecodeOptions,
  ) {
    this.isOpen = event.kind === "enter";
    this.isFailed = !this.isOpen && isError(event.result);
    this.isInterrupted = this.isFailed && interruptions.has(event.result);
  }

  value(argument: number): bigint {
    return this.event.arguments[argument]!;
  }

  /** @returns memory at an address as it was, null when nothing of it was copied; less than `size` when not all was */
  some(address: bigint, size: number, when: "entry" | "exit"): Uint8Array | null {
    let best: Uint8Array | null = null;
    for (const range of this.event.ranges) {
      if (range.when !== when || range.address > address) continue;
      const skipped = address - range.address;
      if (skipped >= BigInt(range.bytes.length)) continue;
      const bytes = range.bytes.subarray(Number(skipped), Number(skipped) + size);
      if (bytes.length === size) return bytes;
      if (best === null || bytes.length > best.length) best = bytes;
    }
    return best;
  }

  /** @returns memory at an address as it was, null when not all of it was copied */
  memory(address: bigint, size: number, when: "entry" | "exit"): Uint8Array | null {
    if (size === 0) return new Uint8Array(0);
    const bytes = this.some(address, size, when);
    return bytes?.length === size ? bytes : null;
  }

  /** What the kernel wrote through the argument is there to be said. */
  isWritten(argument: Argument): boolean {
    if (this.isOpen) return false;
    return argument.isForInterruption ? this.isInterrupted : !this.isFailed;
  }

  /** @returns what /proc/self/fd says of a descriptor, null when nobody has asked */
  pathOf(descriptor: number): Uint8Array | null {
    const key = BigInt.asUintN(32, BigInt(descriptor));
    return this.event.ranges.find((range) => range.when === "path" && range.address === key)?.bytes ?? null;
  }
}

const WORD = 2 ** 32;

function upTo32(bytes: Uint8Array, offset: number, size: number): number {
  let value = 0;
  for (let index = size - 1; index >= 0; index--) value = value * 256 + bytes[offset + index]!;
  return value;
}

/** @returns a little-endian number of 1, 2, 4 or 8 bytes, unsigned */
export function unsignedAt(bytes: Uint8Array, offset: number, size: number): bigint {
  if (size <= 4) return BigInt(upTo32(bytes, offset, size));
  const low = upTo32(bytes, offset, 4);
  const high = upTo32(bytes, offset + 4, size - 4);
  const value = high * WORD + low;
  return Number.isSafeInteger(value) ? BigInt(value) : (BigInt(high) << 32n) | BigInt(low);
}
