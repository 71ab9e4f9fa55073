// The host's side of the ring (src/abi/ring.ts): makes the file, and reads what programs write into it.
//
// Node cannot map a file, but pread and pwrite of one in memory see and change the pages that programs have mapped. No name leads
// to the file once it is made, so nothing is left behind whatever becomes of this process; programs open it through
// /proc/PID/fd. Its memory is taken at once: a program that found none when it stores a record would die of SIGBUS.

import {
  closeSync,
  constants,
  fstatSync,
  openSync,
  readFileSync,
  readSync,
  statSync,
  unlinkSync,
  writeSync,
} from "node:fs";
import { randomBytes } from "node:crypto";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as abi from "../../abi/ring.js";

/** No file for a ring can be made, as one line for the user. */
export class RingError extends Error {}

export interface RingOptions {
  /** Bytes of records that fit: a power of two. */
  readonly size: number;
  /** Programs wait when the ring is full; else what does not fit is lost and counted. */
  readonly isLossless: boolean;
  /** Children and threads write records too. */
  readonly isFollowing: boolean;
  /** Records have the time. */
  readonly hasTimes: boolean;
  /** The engine writes events of its own (src/abi/trace-event.ts). */
  readonly hasEvents: boolean;
  /** Hooks see the execve that a program comes from, if there are events. */
  readonly showsExecve?: boolean;
  /** Numbers of the system calls that hooks see of those that they ask for; null: all. */
  readonly calls: ReadonlySet<number> | null;
  /** What hooks read by `ring.parameter`. */
  readonly parameters: Uint8Array;
}

export interface RingRecord {
  readonly pid: number;
  readonly tid: number;
  /** From 1, in the order of the command line; 0 is the engine. */
  readonly hook: number;
  readonly kind: number;
  /** Nanoseconds of CLOCK_REALTIME; 0 without times. */
  readonly time: bigint;
  /** Good until the next read. */
  readonly content: Buffer;
}

/** linux/fcntl.h: __O_TMPFILE | O_DIRECTORY. A file without a name. */
const O_TMPFILE = 0o20200000;

function openNameless(folder: string): number {
  try {
    return openSync(folder, O_TMPFILE | constants.O_RDWR, 0o600);
  } catch {
    // Not every file system has such files.
    const path = join(folder, `flicker-ring-${randomBytes(12).toString("hex")}`);
    const descriptor = openSync(path, constants.O_RDWR | constants.O_CREAT | constants.O_EXCL, 0o600);
    unlinkSync(path);
    return descriptor;
  }
}

function openFile(): number {
  let reason = "";
  for (const folder of ["/dev/shm", tmpdir()]) {
    try {
      return openNameless(folder);
    } catch (error) {
      reason ||= (error as Error).message;
    }
  }
  throw new RingError(`no memory can be shared with the program: ${reason}`);
}

const LIMIT = 1 << 20;

export class Ring {
  private tail = 0;
  private lostBefore = 0;
  private buffer = Buffer.alloc(LIMIT);
  private readonly words = Buffer.alloc(16);
  /** Since when the record at the tail has not been finished, and what the kernel's clock said of its writer then. */
  private stuckSince: number | null = null;

  private constructor(
    private readonly descriptor: number,
    private readonly size: number,
  ) {}

  /** @throws RingError when there is no memory for it */
  static create(options: RingOptions): Ring {
    if (options.size < 1 << 16 || (options.size & (options.size - 1)) !== 0)
      throw new RingError(`${options.size} is not a size of a ring: a power of two from 65536 on`);
    if (options.parameters.length > abi.RING_PARAMETERS_SIZE) throw new RangeError("too many parameters");
    const header = Buffer.alloc(abi.RING_DATA);
    header.writeUInt32LE(abi.RING_MAGIC, abi.RING_MAGIC_AT);
    header.writeBigUInt64LE(BigInt(options.size), abi.RING_SIZE);
    const flags = [
      options.isLossless ? abi.RING_LOSSLESS : 0,
      options.isFollowing ? abi.RING_FOLLOW : 0,
      options.hasTimes ? abi.RING_TIMES : 0,
      options.hasEvents ? abi.RING_EVENTS : 0,
      options.showsExecve ? abi.RING_EXECVE : 0,
    ];
    header.writeUInt32LE(
      flags.reduce((sum, flag) => sum | flag),
      abi.RING_FLAGS,
    );
    header.writeUInt32LE(process.pid, abi.RING_HOST);
    if (options.calls === null) header.fill(255, abi.RING_CALLS, abi.RING_CALLS + 64);
    for (const number of options.calls ?? []) {
      const at = abi.RING_CALLS + (number >> 3);
      if (number < 512) header[at] = header[at]! | (1 << (number & 7));
    }
    header.set(options.parameters, abi.RING_PARAMETERS);
    const descriptor = openFile();
    try {
      writeSync(descriptor, header, 0, header.length, 0);
      const zeros = Buffer.alloc(Math.min(options.size, LIMIT));
      for (let at = 0; at < options.size; at += zeros.length)
        writeSync(descriptor, zeros, 0, zeros.length, abi.RING_DATA + at);
      if (fstatSync(descriptor).size !== abi.RING_DATA + options.size) throw new Error("the file could not be filled");
    } catch (error) {
      closeSync(descriptor);
      throw new RingError(`no memory for a ring of ${options.size >> 20} MiB: ${(error as Error).message}`);
    }
    return new Ring(descriptor, options.size);
  }

  /** The value of the launcher's option --ring. */
  get option(): string {
    return `${process.pid}:${this.descriptor}`;
  }

  private word(at: number): number {
    readSync(this.descriptor, this.words, 0, 8, at);
    return Number(this.words.readBigUInt64LE(0));
  }

  /** How many records were lost since this was asked last. */
  takeLost(): number {
    const lost = this.word(abi.RING_LOST);
    const added = lost - this.lostBefore;
    this.lostBefore = lost;
    return added;
  }

  /** What hooks have added to each sum. */
  sums(): number[] {
    return Array.from({ length: abi.RING_SUM_COUNT }, (_, index) => this.word(abi.RING_SUMS + 8 * index));
  }

  /** The first thread of the first program, 0 until it has started. */
  get firstThread(): number {
    readSync(this.descriptor, this.words, 0, 4, abi.RING_FIRST);
    return this.words.readUInt32LE(0);
  }

  /**
   * Gives the records that are whole, up to a megabyte of them, to `take`, in order, and makes room for others.
   * @returns whether there were any
   */
  read(take: (record: RingRecord) => void): boolean {
    // A number may be read in pieces while it changes: of two that are read, the smaller is never too large.
    const head = Math.min(this.word(abi.RING_HEAD), this.word(abi.RING_HEAD));
    if (head === this.tail) return false;
    const offset = this.tail % this.size;
    const wanted = Math.min(head - this.tail, this.size - offset, this.buffer.length);
    const bytes = this.buffer;
    readSync(this.descriptor, bytes, 0, wanted, abi.RING_DATA + offset);
    let at = 0;
    let needed = 0;
    while (at + abi.RECORD_ALIGNMENT <= wanted) {
      const state = bytes.readUInt32LE(at + abi.RECORD_SIZE);
      const isPadding = bytes.readUInt32LE(at + abi.RECORD_KIND) === abi.RECORD_PADDING;
      const size = state & ~abi.RECORD_WRITING;
      if (size < abi.RECORD_ALIGNMENT || size % abi.RECORD_ALIGNMENT !== 0)
        throw new RingError(`the ring holds a record of ${size} bytes: something else has written to it`);
      if ((state & abi.RECORD_WRITING) !== 0) {
        if (at > 0 || !this.isAbandoned(bytes.readUInt32LE(abi.RECORD_WRITER), size, head)) break;
        this.stuckSince = null;
        this.lostBefore--;
      } else if (isPadding) {
        // Nothing of a padding but its header need be there.
      } else if (at + size > wanted) {
        needed = size;
        break;
      } else {
        this.stuckSince = null;
        take(recordAt(bytes, at));
      }
      at += size;
    }
    if (at === 0 && needed > this.buffer.length) {
      this.buffer = Buffer.alloc(needed);
      return this.read(take);
    }
    this.advance(at);
    return at > 0;
  }

  private advance(by: number): void {
    if (by === 0) return;
    this.tail += by;
    this.words.writeBigUInt64LE(BigInt(this.tail), 0);
    writeSync(this.descriptor, this.words, 0, 8, abi.RING_TAIL);
    writeSync(this.descriptor, this.words, 0, 8, abi.RING_TAIL_AGAIN);
  }

  /** Whether nobody will finish the record at the tail: its writer was killed, or has begun another one since. */
  private isAbandoned(writer: number, size: number, head: number): boolean {
    const now = performance.now();
    this.stuckSince ??= now;
    const waited = now - this.stuckSince;
    if (waited < 50) return false;
    // A number of another pid namespace says nothing here.
    if ((writer & abi.RECORD_ELSEWHERE) !== 0) return waited > 5000;
    return !isThread(writer) || this.hasWrittenSince(writer, this.tail + size, head);
  }

  private hasWrittenSince(writer: number, from: number, head: number): boolean {
    const header = Buffer.alloc(abi.RECORD_ALIGNMENT);
    for (let at = from; at < head; at += header.readUInt32LE(abi.RECORD_SIZE) & ~abi.RECORD_WRITING) {
      readSync(this.descriptor, header, 0, header.length, abi.RING_DATA + (at % this.size));
      const isPadding = header.readUInt32LE(abi.RECORD_KIND) === abi.RECORD_PADDING;
      if (!isPadding && header.readUInt32LE(abi.RECORD_WRITER) === writer) return true;
    }
    return false;
  }

  /** Programs go on without the ring. */
  close(): void {
    this.words.writeUInt32LE(1, 0);
    writeSync(this.descriptor, this.words, 0, 4, abi.RING_CLOSED);
    closeSync(this.descriptor);
  }
}

function recordAt(bytes: Buffer, at: number): RingRecord {
  const content = at + abi.RECORD_CONTENT;
  return {
    pid: bytes.readUInt32LE(at + abi.RECORD_PROCESS),
    tid: bytes.readUInt32LE(at + abi.RECORD_WRITER) & ~abi.RECORD_ELSEWHERE,
    hook: bytes.readUInt32LE(at + abi.RECORD_HOOK),
    kind: bytes.readUInt32LE(at + abi.RECORD_KIND),
    time: bytes.readBigUInt64LE(at + abi.RECORD_TIME),
    content: bytes.subarray(content, content + bytes.readUInt32LE(at + abi.RECORD_CONTENT_SIZE)),
  };
}

/** Whether there is a thread of this number that still runs a program: not one that has ended and waits to be noticed. */
export function isThread(number: number): boolean {
  try {
    statSync(`/proc/${number}`);
    const stat = readFileSync(`/proc/${number}/stat`, "latin1");
    return !/\) [ZX] /.test(stat);
  } catch {
    return false;
  }
}
