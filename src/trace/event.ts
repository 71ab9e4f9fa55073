// What a recorder tells of a traced program, and its encoding (src/abi/trace-event.ts). This is the whole interface between
// what records and what shows: whoever makes such events has all of src/trace.

import {
  EVENT_ARGUMENTS,
  EVENT_CALL,
  EVENT_END,
  EVENT_ENTER,
  EVENT_EXITED,
  EVENT_HEADER_SIZE,
  EVENT_KILLED,
  EVENT_KIND,
  EVENT_LEAVE,
  EVENT_NOTE,
  EVENT_LOST,
  EVENT_NUMBER,
  EVENT_PROCESS,
  EVENT_RANGES,
  EVENT_RESULT,
  EVENT_SIGNAL,
  EVENT_SIZE,
  EVENT_START,
  EVENT_THREAD,
  RANGE_ADDRESS,
  RANGE_ENTRY,
  RANGE_EXIT,
  RANGE_HEADER_SIZE,
  RANGE_PATH,
  RANGE_SIZE,
  RANGE_WHEN,
} from "../abi/trace-event.js";

const kinds = {
  call: EVENT_CALL,
  enter: EVENT_ENTER,
  leave: EVENT_LEAVE,
  signal: EVENT_SIGNAL,
  exited: EVENT_EXITED,
  killed: EVENT_KILLED,
  lost: EVENT_LOST,
} as const;
export type EventKind = keyof typeof kinds;
const kindNames = new Map(Object.entries(kinds).map(([name, value]) => [value as number, name as EventKind]));

const times = {
  entry: RANGE_ENTRY,
  exit: RANGE_EXIT,
  path: RANGE_PATH,
} as const;
export type RangeTime = keyof typeof times;
const timeNames = new Map(Object.entries(times).map(([name, value]) => [value as number, name as RangeTime]));

export interface CapturedRange {
  /** Where it was in the program; of a path, the descriptor. */
  readonly address: bigint;
  readonly bytes: Uint8Array;
  readonly when: RangeTime;
}

export interface TraceEvent {
  readonly kind: EventKind;
  readonly pid: number;
  readonly tid: number;
  /** Of the call; of the signal; how many events were lost; the exit status. */
  readonly number: number;
  /** Nanoseconds of CLOCK_REALTIME. */
  readonly start: bigint;
  readonly end: bigint;
  readonly result: bigint;
  /** Six, unsigned. */
  readonly arguments: readonly bigint[];
  readonly ranges: readonly CapturedRange[];
  /** What the hook has noted of a call. */
  readonly note?: bigint;
  /** Calls with the same key are said in the same words, but for times and threads. */
  readonly key?: string;
}

const aligned = (size: number): number => (size + 7) & ~7;

/** @returns the record of the event */
export function encodeEvent(event: TraceEvent): Uint8Array {
  const size = event.ranges.reduce(
    (sum, range) => sum + RANGE_HEADER_SIZE + aligned(range.bytes.length),
    EVENT_HEADER_SIZE,
  );
  const bytes = new Uint8Array(size);
  const view = new DataView(bytes.buffer);
  view.setUint32(EVENT_SIZE, size, true);
  view.setUint8(EVENT_KIND, kinds[event.kind]);
  view.setUint16(EVENT_RANGES, event.ranges.length, true);
  view.setUint32(EVENT_PROCESS, event.pid, true);
  view.setUint32(EVENT_THREAD, event.tid, true);
  view.setUint32(EVENT_NUMBER, event.number, true);
  view.setBigUint64(EVENT_START, event.start, true);
  view.setBigUint64(EVENT_END, event.end, true);
  view.setBigInt64(EVENT_RESULT, event.result, true);
  view.setBigUint64(EVENT_NOTE, event.note ?? 0n, true);
  event.arguments.forEach((value, index) => view.setBigUint64(EVENT_ARGUMENTS + 8 * index, value, true));
  let at = EVENT_HEADER_SIZE;
  for (const range of event.ranges) {
    view.setBigUint64(at + RANGE_ADDRESS, range.address, true);
    view.setUint32(at + RANGE_SIZE, range.bytes.length, true);
    view.setUint32(at + RANGE_WHEN, times[range.when], true);
    bytes.set(range.bytes, at + RANGE_HEADER_SIZE);
    at += RANGE_HEADER_SIZE + aligned(range.bytes.length);
  }
  return bytes;
}

export class BadRecord extends Error {}

/** One event of a ring's bytes, and where the next begins. */
export interface DecodedEvent {
  readonly event: TraceEvent;
  readonly next: number;
}

/**
 * Reads the record at `offset`. What it gives refers to `bytes`; whoever reuses them copies first.
 * @returns null when the bytes end before the record does
 */
export function decodeEvent(bytes: Uint8Array, offset = 0): DecodedEvent | null {
  const left = bytes.length - offset;
  if (left < EVENT_HEADER_SIZE) return null;
  const view = new DataView(bytes.buffer, bytes.byteOffset + offset, left);
  const size = view.getUint32(EVENT_SIZE, true);
  const fail = (what: string): never => {
    throw new BadRecord(`record at ${offset}: ${what}`);
  };
  if (size < EVENT_HEADER_SIZE || size % 8 !== 0) return fail(`its size is ${size}`);
  if (size > left) return null;
  const kind = kindNames.get(view.getUint8(EVENT_KIND)) ?? fail(`its kind is ${view.getUint8(EVENT_KIND)}`);
  const event: TraceEvent = {
    kind,
    pid: view.getUint32(EVENT_PROCESS, true),
    tid: view.getUint32(EVENT_THREAD, true),
    number: view.getUint32(EVENT_NUMBER, true),
    start: view.getBigUint64(EVENT_START, true),
    end: view.getBigUint64(EVENT_END, true),
    result: view.getBigInt64(EVENT_RESULT, true),
    arguments: argumentsOf(view),
    ranges: rangesOf(bytes, view, offset, size),
    note: view.getBigUint64(EVENT_NOTE, true),
  };
  return { event, next: offset + size };
}

const argumentsOf = (view: DataView): bigint[] => [
  view.getBigUint64(EVENT_ARGUMENTS, true),
  view.getBigUint64(EVENT_ARGUMENTS + 8, true),
  view.getBigUint64(EVENT_ARGUMENTS + 16, true),
  view.getBigUint64(EVENT_ARGUMENTS + 24, true),
  view.getBigUint64(EVENT_ARGUMENTS + 32, true),
  view.getBigUint64(EVENT_ARGUMENTS + 40, true),
];

/** The ranges of the record at `offset`, which `view` begins at. */
function rangesOf(bytes: Uint8Array, view: DataView, offset: number, size: number): CapturedRange[] {
  const fail = (what: string): never => {
    throw new BadRecord(`record at ${offset}: ${what}`);
  };
  const ranges: CapturedRange[] = [];
  let at = EVENT_HEADER_SIZE;
  for (let index = view.getUint16(EVENT_RANGES, true); index > 0; index--) {
    if (at + RANGE_HEADER_SIZE > size) return fail("a range lies behind its end");
    const length = view.getUint32(at + RANGE_SIZE, true);
    const when = timeNames.get(view.getUint32(at + RANGE_WHEN, true)) ?? fail("a range of no known time");
    const start = at + RANGE_HEADER_SIZE;
    if (start + aligned(length) > size) return fail("a range ends behind its end");
    ranges.push({
      address: view.getBigUint64(at + RANGE_ADDRESS, true),
      // Not subarray: that of a Buffer takes five times as long.
      bytes: new Uint8Array(bytes.buffer, bytes.byteOffset + offset + start, length),
      when,
    });
    at = start + aligned(length);
  }
  return ranges;
}

const viewOf = (record: Uint8Array): DataView => new DataView(record.buffer, record.byteOffset, record.length);
const keyOf = (record: Buffer, from: number): string => record.toString("latin1", from);

/** More than this is seldom the same twice. */
const KEY_MAX = 600;

/**
 * A call that has returned, of the records of its beginning and of its end: decoded as far as somebody looks, since most calls of
 * a program that makes many are said in the words of an earlier one. Good as long as the records are.
 */
export class RecordedCall implements TraceEvent {
  readonly kind = "call";
  readonly tid: number;
  readonly number: number;
  private readonly begun: DataView;
  private readonly done: DataView;
  private ownArguments: readonly bigint[] | null = null;
  private ownRanges: readonly CapturedRange[] | null = null;

  constructor(
    private readonly beginning: Buffer,
    private readonly ending: Buffer,
  ) {
    this.begun = viewOf(beginning);
    this.done = viewOf(ending);
    this.tid = this.begun.getUint32(EVENT_THREAD, true);
    this.number = this.begun.getUint32(EVENT_NUMBER, true);
  }

  get pid(): number {
    return this.begun.getUint32(EVENT_PROCESS, true);
  }
  get start(): bigint {
    return this.begun.getBigUint64(EVENT_START, true);
  }
  get end(): bigint {
    return this.done.getBigUint64(EVENT_END, true);
  }
  get result(): bigint {
    return this.done.getBigInt64(EVENT_RESULT, true);
  }
  get arguments(): readonly bigint[] {
    return (this.ownArguments ??= argumentsOf(this.begun));
  }
  get ranges(): readonly CapturedRange[] {
    return (this.ownRanges ??= [
      ...rangesOf(this.beginning, this.begun, 0, this.beginning.length),
      ...rangesOf(this.ending, this.done, 0, this.ending.length),
    ]);
  }
  get note(): bigint {
    return this.begun.getBigUint64(EVENT_NOTE, true);
  }
  get key(): string {
    if (this.beginning.length + this.ending.length > KEY_MAX) return "";
    const result = this.ending.toString("latin1", EVENT_RESULT, EVENT_RESULT + 8);
    return `${this.number} ${keyOf(this.beginning, EVENT_ARGUMENTS)}${result}${keyOf(this.ending, EVENT_HEADER_SIZE)}`;
  }
}
