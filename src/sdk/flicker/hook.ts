// The SDK of hooks, as AssemblyScript compiles it: `import { SystemCall, Counter, log } from "flicker/hook"`. hook.d.ts beside
// this file says what each does; src/engine/hook/api.ts answers the imports.

namespace imports {
  // @ts-ignore: decorator
  @external("flicker", "number")
  export declare function number(): u64;
  // @ts-ignore: decorator
  @external("flicker", "setNumber")
  export declare function setNumber(number: u64): void;
  // @ts-ignore: decorator
  @external("flicker", "argument")
  export declare function argument(index: u32): u64;
  // @ts-ignore: decorator
  @external("flicker", "setArgument")
  export declare function setArgument(index: u32, value: u64): void;
  // @ts-ignore: decorator
  @external("flicker", "result")
  export declare function result(): i64;
  // @ts-ignore: decorator
  @external("flicker", "setResult")
  export declare function setResult(result: i64): void;
  // @ts-ignore: decorator
  @external("flicker", "skip")
  export declare function skip(result: i64): void;
  // @ts-ignore: decorator
  @external("flicker", "retry")
  export declare function retry(): void;
  // @ts-ignore: decorator
  @external("flicker", "mark")
  export declare function mark(): u64;
  // @ts-ignore: decorator
  @external("flicker", "setMark")
  export declare function setMark(mark: u64): void;
  // @ts-ignore: decorator
  @external("flicker", "place")
  export declare function place(): u64;
  // @ts-ignore: decorator
  @external("flicker", "threadValue")
  export declare function threadValue(index: u32): u64;
  // @ts-ignore: decorator
  @external("flicker", "setThreadValue")
  export declare function setThreadValue(index: u32, value: u64): void;
  // @ts-ignore: decorator
  @external("flicker", "tally")
  export declare function tally(index: u32, value: u64): u64;
  // @ts-ignore: decorator
  @external("flicker", "sleep")
  export declare function sleep(nanoseconds: u64): void;
  // @ts-ignore: decorator
  @external("flicker", "raise")
  export declare function raise(signal: u32): void;
  // @ts-ignore: decorator
  @external("flicker", "pathOf")
  export declare function pathOf(descriptor: u32): u32;
  // @ts-ignore: decorator
  @external("flicker", "pathAt")
  export declare function pathAt(directory: u32, address: u64): u32;
  // @ts-ignore: decorator
  @external("flicker", "linePlace")
  export declare function linePlace(address: u64): void;
  // @ts-ignore: decorator
  @external("flicker", "linePath")
  export declare function linePath(): void;
  // @ts-ignore: decorator
  @external("flicker", "pathByte")
  export declare function pathByte(index: u32): u32;
  // @ts-ignore: decorator
  @external("flicker", "sum")
  export declare function sum(index: u32, value: u64): u64;
  // @ts-ignore: decorator
  @external("flicker", "instruction")
  export declare function instruction(place: usize): void;
  // @ts-ignore: decorator
  @external("flicker", "register")
  export declare function register(number: u32): u64;
  // @ts-ignore: decorator
  @external("flicker", "setRegister")
  export declare function setRegister(number: u32, value: u64): void;
  // @ts-ignore: decorator
  @external("flicker", "flags")
  export declare function flags(): u64;
  // @ts-ignore: decorator
  @external("flicker", "setFlags")
  export declare function setFlags(value: u64): void;
  // @ts-ignore: decorator
  @external("flicker", "operand")
  export declare function operand(): u64;
  // @ts-ignore: decorator
  @external("flicker", "skipInstruction")
  export declare function skipInstruction(address: u64): void;
  // @ts-ignore: decorator
  @external("flicker", "event")
  export declare function event(index: u32): u64;
  // @ts-ignore: decorator
  @external("flicker", "thread")
  export declare function thread(): u32;
  // @ts-ignore: decorator
  @external("flicker", "process")
  export declare function process(): u32;
  // @ts-ignore: decorator
  @external("flicker", "site")
  export declare function site(): u64;
  // @ts-ignore: decorator
  @external("flicker", "read")
  export declare function read(pointer: usize, address: u64, size: u32): u32;
  // @ts-ignore: decorator
  @external("flicker", "write")
  export declare function write(address: u64, pointer: usize, size: u32): u32;
  // @ts-ignore: decorator
  @external("flicker", "peek")
  export declare function peek(address: u64, size: u32): u64;
  // @ts-ignore: decorator
  @external("flicker", "poke")
  export declare function poke(address: u64, value: u64, size: u32): u32;
  // @ts-ignore: decorator
  @external("flicker", "text")
  export declare function text(pointer: usize, count: u32): void;
  // @ts-ignore: decorator
  @external("flicker", "string")
  export declare function string(address: u64, most: u32): void;
  // @ts-ignore: decorator
  @external("flicker", "unsigned")
  export declare function unsigned(value: u64): void;
  // @ts-ignore: decorator
  @external("flicker", "signed")
  export declare function signed(value: i64): void;
  // @ts-ignore: decorator
  @external("flicker", "hex")
  export declare function hex(value: u64): void;
  // @ts-ignore: decorator
  @external("flicker", "end")
  export declare function end(): void;
  // @ts-ignore: decorator
  @external("flicker", "counter")
  export declare function counter(name: usize, size: u32, place: usize): void;
  // @ts-ignore: decorator
  @external("flicker", "record")
  export declare function record(kind: u32): u32;
  // @ts-ignore: decorator
  @external("flicker", "recordCall")
  export declare function recordCall(kind: u32): u32;
  // @ts-ignore: decorator
  @external("flicker", "recordValue")
  export declare function recordValue(value: u64): void;
  // @ts-ignore: decorator
  @external("flicker", "recordBytes")
  export declare function recordBytes(pointer: usize, size: u32): void;
  // @ts-ignore: decorator
  @external("flicker", "recordMemory")
  export declare function recordMemory(address: u64, size: u32, mark: u32): void;
  // @ts-ignore: decorator
  @external("flicker", "recordString")
  export declare function recordString(address: u64, most: u32, mark: u32): void;
  // @ts-ignore: decorator
  @external("flicker", "recordPath")
  export declare function recordPath(descriptor: u32): void;
  // @ts-ignore: decorator
  @external("flicker", "recordEnd")
  export declare function recordEnd(): u32;
  // @ts-ignore: decorator
  @external("flicker", "parameter")
  export declare function parameter(offset: u32): u64;
}

/** The call that a hook is called for: all of it is behind imports, so there is nothing in the object. */
@unmanaged
export class SystemCall {
  get number(): u64 {
    return imports.number();
  }
  set number(value: u64) {
    imports.setNumber(value);
  }
  argument(index: u32): u64 {
    return imports.argument(index);
  }
  setArgument(index: u32, value: u64): void {
    imports.setArgument(index, value);
  }
  get result(): i64 {
    return imports.result();
  }
  set result(value: i64) {
    imports.setResult(value);
  }
  get failed(): bool {
    return (imports.result() as u64) >= (-4095 as u64);
  }
  skip(result: i64): void {
    imports.skip(result);
  }
  retry(): void {
    imports.retry();
  }
  get mark(): u64 {
    return imports.mark();
  }
  set mark(mark: u64) {
    imports.setMark(mark);
  }
  get thread(): u32 {
    return imports.thread();
  }
  get process(): u32 {
    return imports.process();
  }
  get site(): u64 {
    return imports.site();
  }
}

/** The program in front of an instruction: all of it is behind imports, too. */
@unmanaged
export class Context {
  get rax(): u64 {
    return imports.register(0);
  }
  set rax(value: u64) {
    imports.setRegister(0, value);
  }
  get rcx(): u64 {
    return imports.register(1);
  }
  set rcx(value: u64) {
    imports.setRegister(1, value);
  }
  get rdx(): u64 {
    return imports.register(2);
  }
  set rdx(value: u64) {
    imports.setRegister(2, value);
  }
  get rbx(): u64 {
    return imports.register(3);
  }
  set rbx(value: u64) {
    imports.setRegister(3, value);
  }
  get rsp(): u64 {
    return imports.register(4);
  }
  get rbp(): u64 {
    return imports.register(5);
  }
  set rbp(value: u64) {
    imports.setRegister(5, value);
  }
  get rsi(): u64 {
    return imports.register(6);
  }
  set rsi(value: u64) {
    imports.setRegister(6, value);
  }
  get rdi(): u64 {
    return imports.register(7);
  }
  set rdi(value: u64) {
    imports.setRegister(7, value);
  }
  get r8(): u64 {
    return imports.register(8);
  }
  set r8(value: u64) {
    imports.setRegister(8, value);
  }
  get r9(): u64 {
    return imports.register(9);
  }
  set r9(value: u64) {
    imports.setRegister(9, value);
  }
  get r10(): u64 {
    return imports.register(10);
  }
  set r10(value: u64) {
    imports.setRegister(10, value);
  }
  get r11(): u64 {
    return imports.register(11);
  }
  set r11(value: u64) {
    imports.setRegister(11, value);
  }
  get r12(): u64 {
    return imports.register(12);
  }
  set r12(value: u64) {
    imports.setRegister(12, value);
  }
  get r13(): u64 {
    return imports.register(13);
  }
  set r13(value: u64) {
    imports.setRegister(13, value);
  }
  get r14(): u64 {
    return imports.register(14);
  }
  set r14(value: u64) {
    imports.setRegister(14, value);
  }
  get r15(): u64 {
    return imports.register(15);
  }
  set r15(value: u64) {
    imports.setRegister(15, value);
  }
  get flags(): u64 {
    return imports.flags();
  }
  set flags(value: u64) {
    imports.setFlags(value);
  }
  get operandAddress(): u64 {
    return imports.operand();
  }
  skip(): void {
    imports.skipInstruction(0);
  }
  goto(address: u64): void {
    imports.skipInstruction(address);
  }
  get thread(): u32 {
    return imports.thread();
  }
  get process(): u32 {
    return imports.process();
  }
  get site(): u64 {
    return imports.site();
  }
}

/** What has happened to a process: behind imports, too. */
@unmanaged
export class Event {
  get thread(): u32 {
    return imports.thread();
  }
  get process(): u32 {
    return imports.process();
  }
}

@unmanaged
export class EndEvent extends Event {
  get status(): u32 {
    return imports.event(0) as u32;
  }
  get executes(): bool {
    return imports.event(1) != 0;
  }
}

@unmanaged
export class LibraryEvent extends Event {
  get address(): u64 {
    return imports.event(0);
  }
  get size(): u64 {
    return imports.event(1);
  }
  get offset(): u64 {
    return imports.event(2);
  }
  get descriptor(): u32 {
    return imports.event(3) as u32;
  }
}

/** The engine's record of an instruction: src/abi/instruction-record.ts says what is where. */
@unmanaged
export class Instruction {
  readonly address: u64;
  readonly offset: u64;
  readonly target: u64;
  private absoluteAddress: u64;
  readonly displacement: i64;
  readonly immediate: i64;
  private classes: u32;
  private has: u32;
  readonly opcode: u32;
  private groups: u32;
  readonly registersRead: u32;
  readonly registersWritten: u32;
  readonly vectorsRead: u32;
  readonly vectorsWritten: u32;
  private mnemonic: u16;
  readonly memorySize: u16;
  readonly width: u16;
  readonly size: u8;
  private flow: u8;
  readonly base: u8;
  readonly index: u8;
  readonly scale: u8;
  readonly segment: u8;
  readonly flagsRead: u8;
  readonly flagsWritten: u8;
  private opmasksRead: u8;
  private opmasksWritten: u8;

  get isJump(): bool {
    return (this.classes & 0x1) != 0;
  }
  get isConditional(): bool {
    return (this.classes & 0x2) != 0;
  }
  get isCall(): bool {
    return (this.classes & 0x4) != 0;
  }
  get isReturn(): bool {
    return (this.classes & 0x8) != 0;
  }
  get isIndirect(): bool {
    return (this.classes & 0x10) != 0;
  }
  get isSystemCall(): bool {
    return (this.classes & 0x20) != 0;
  }
  get isLoad(): bool {
    return (this.classes & 0x80) != 0;
  }
  get isStore(): bool {
    return (this.classes & 0x100) != 0;
  }
  get isStack(): bool {
    return (this.classes & 0x200) != 0;
  }
  get isAtomic(): bool {
    return (this.classes & 0x400) != 0;
  }
  get isString(): bool {
    return (this.classes & 0x800) != 0;
  }
  get isSimd(): bool {
    return (this.classes & 0x1000) != 0;
  }
  get isNop(): bool {
    return (this.classes & 0x4000) != 0;
  }
  get hasTarget(): bool {
    return (this.has & 0x1) != 0;
  }
  get hasImmediate(): bool {
    return (this.has & 0x2) != 0;
  }
  get hasMemory(): bool {
    return (this.has & 0x4) != 0;
  }
  get readsMemory(): bool {
    return (this.has & 0x10) != 0;
  }
  get writesMemory(): bool {
    return (this.has & 0x20) != 0;
  }
  /** The n-th of its bytes. */
  byte(n: u32): u8 {
    return load<u8>(changetype<usize>(this) + n, BYTES);
  }
}
/** Where its bytes are in the record, and the record's size. */
const BYTES: usize = 0x60;
const SIZE: i32 = 0x70;
imports.instruction(memory.data(SIZE, 8));

@unmanaged
export class Counter {
  private count: u64 = 0;

  constructor(name: string) {
    imports.counter(changetype<usize>(name), name.length << 1, changetype<usize>(this));
  }
  add(value: u64): void {
    atomic.add<u64>(changetype<usize>(this), value);
  }
  get value(): u64 {
    return atomic.load<u64>(changetype<usize>(this));
  }
}

const THREAD_VALUES_MAX: u32 = 8;
let threadValues: u32 = 0;

export class ThreadValue {
  private readonly index: u32 = threadValues++;

  constructor() {
    assert(threadValues <= THREAD_VALUES_MAX, "a hook has at most 8 values of each thread's own");
  }
  get value(): u64 {
    return imports.threadValue(this.index);
  }
  set value(value: u64) {
    imports.setThreadValue(this.index, value);
  }
}

/** Bucket 0 is for 0, bucket n for n bits. */
const BUCKETS: u32 = 65;

export class Histogram {
  private readonly counts: StaticArray<u64> = new StaticArray<u64>(BUCKETS);

  constructor(private readonly name: string) {}

  add(value: u64): void {
    atomic.add<u64>(this.placeOf(64 - (clz(value) as u32)), 1);
  }
  count(bits: u32): u64 {
    return bits < BUCKETS ? atomic.load<u64>(this.placeOf(bits)) : 0;
  }
  get total(): u64 {
    let sum: u64 = 0;
    for (let bits: u32 = 0; bits < BUCKETS; bits++) sum += this.count(bits);
    return sum;
  }
  log(): void {
    for (let bits: u32 = 0; bits < BUCKETS; bits++) {
      const count = this.count(bits);
      if (count == 0) continue;
      const first: u64 = bits == 0 ? 0 : (1 as u64) << (bits - 1);
      const last: u64 = bits == 0 ? 0 : first - 1 + first;
      log.text(this.name).text(" ").unsigned(first).text("..").unsigned(last).text(" ").unsigned(count).end();
    }
  }
  clear(): void {
    for (let bits: u32 = 0; bits < BUCKETS; bits++) atomic.store<u64>(this.placeOf(bits), 0);
  }
  private placeOf(bits: u32): usize {
    return changetype<usize>(this.counts) + ((bits as usize) << 3);
  }
}

/** Open addressing: a place that has got its key keeps it. A key of 0 has a place of its own, the last: 0 says that one is free. */
export class FixedMap {
  private readonly mask: u32;
  private readonly keys: StaticArray<u64>;
  private readonly values: StaticArray<u64>;

  /** @param capacity how many keys it is to hold at least; a quarter more are there, since a full table is a slow one */
  constructor(capacity: u32) {
    let places: u32 = 16;
    while (places < capacity + capacity / 4) places <<= 1;
    this.mask = places - 1;
    this.keys = new StaticArray<u64>(places + 1);
    this.values = new StaticArray<u64>(places + 1);
  }

  add(key: u64, value: u64): bool {
    const place = this.placeOf(key, true);
    if (place > this.mask + 1) return false;
    atomic.add<u64>(this.valueAt(place), value);
    return true;
  }
  set(key: u64, value: u64): bool {
    const place = this.placeOf(key, true);
    if (place > this.mask + 1) return false;
    atomic.store<u64>(this.valueAt(place), value);
    return true;
  }
  get(key: u64): u64 {
    const place = this.placeOf(key, false);
    return place > this.mask + 1 ? 0 : atomic.load<u64>(this.valueAt(place));
  }
  get places(): u32 {
    return this.mask + 2;
  }
  key(place: u32): u64 {
    return place > this.mask ? 0 : atomic.load<u64>(this.keyAt(place));
  }
  value(place: u32): u64 {
    return place > this.mask + 1 ? 0 : atomic.load<u64>(this.valueAt(place));
  }
  logLargest(most: u32, what: string, arePlaces: bool = false): void {
    // Those that have been said come first in the order: larger, or equal and at a lower place.
    let last = u64.MAX_VALUE;
    let lastPlace: u32 = 0;
    for (let said: u32 = 0; said < most; said++) {
      let best: u64 = 0;
      let bestPlace: u32 = 0;
      for (let place: u32 = 0; place < this.places; place++) {
        const value = this.value(place);
        if (value <= best || value > last || (value == last && said != 0 && place <= lastPlace)) continue;
        best = value;
        bestPlace = place;
      }
      if (best == 0) return;
      log.text(what).text(" ");
      if (arePlaces) log.place(this.key(bestPlace));
      else log.hex(this.key(bestPlace));
      log.text(" ").unsigned(best).end();
      last = best;
      lastPlace = bestPlace;
    }
  }
  clear(): void {
    for (let place: u32 = 0; place < this.places; place++) {
      atomic.store<u64>(this.valueAt(place), 0);
      if (place <= this.mask) atomic.store<u64>(this.keyAt(place), 0);
    }
  }

  /** Where a key is, or can be put; behind all places when there is no room, or it is not to be made. */
  private placeOf(key: u64, isMade: bool): u32 {
    if (key == 0) return this.mask + 1;
    // Fibonacci hashing: the high bits of the product depend on all of the key.
    let place = ((key * 0x9e3779b97f4a7c15) >> 32) as u32;
    for (let tried: u32 = 0; tried <= this.mask; tried++, place++) {
      place &= this.mask;
      const seen = atomic.load<u64>(this.keyAt(place));
      if (seen == key) return place;
      if (seen != 0) continue;
      if (!isMade) return u32.MAX_VALUE;
      const before = atomic.cmpxchg<u64>(this.keyAt(place), 0, key);
      if (before == 0 || before == key) return place;
    }
    return u32.MAX_VALUE;
  }
  private keyAt(place: u32): usize {
    return changetype<usize>(this.keys) + ((place as usize) << 3);
  }
  private valueAt(place: u32): usize {
    return changetype<usize>(this.values) + ((place as usize) << 3);
  }
}

export function peek8(address: u64): u8 {
  return imports.peek(address, 1) as u8;
}
export function peek16(address: u64): u16 {
  return imports.peek(address, 2) as u16;
}
export function peek32(address: u64): u32 {
  return imports.peek(address, 4) as u32;
}
export function peek64(address: u64): u64 {
  return imports.peek(address, 8);
}
export function poke8(address: u64, value: u8): bool {
  return imports.poke(address, value, 1) != 0;
}
export function poke16(address: u64, value: u16): bool {
  return imports.poke(address, value, 2) != 0;
}
export function poke32(address: u64, value: u32): bool {
  return imports.poke(address, value, 4) != 0;
}
export function poke64(address: u64, value: u64): bool {
  return imports.poke(address, value, 8) != 0;
}
export function read(pointer: usize, address: u64, size: u32): bool {
  return imports.read(pointer, address, size) == 0;
}
export function write(address: u64, pointer: usize, size: u32): bool {
  return imports.write(address, pointer, size) == 0;
}

export function sleep(nanoseconds: u64): void {
  imports.sleep(nanoseconds);
}

export function raise(signal: u32): void {
  imports.raise(signal);
}

@unmanaged
export class Tally {
  get place(): u64 {
    return imports.place();
  }
  add(index: u32, value: u64): u64 {
    return imports.tally(index, value);
  }
}
export const tally = changetype<Tally>(0);

@unmanaged
export class Path {
  of(descriptor: u32): u32 {
    return imports.pathOf(descriptor);
  }
  at(directory: u32, address: u64): u32 {
    return imports.pathAt(directory, address);
  }
  byte(index: u32): u8 {
    return imports.pathByte(index) as u8;
  }
}
export const path = changetype<Path>(0);

@unmanaged
export class Log {
  text(text: string): Log {
    imports.text(changetype<usize>(text), text.length);
    return this;
  }
  unsigned(value: u64): Log {
    imports.unsigned(value);
    return this;
  }
  signed(value: i64): Log {
    imports.signed(value);
    return this;
  }
  hex(value: u64): Log {
    imports.hex(value);
    return this;
  }
  string(address: u64): Log {
    imports.string(address, 256);
    return this;
  }
  place(address: u64): Log {
    imports.linePlace(address);
    return this;
  }
  path(): Log {
    imports.linePath();
    return this;
  }
  end(): void {
    imports.end();
  }
}
export const log = changetype<Log>(0);

@unmanaged
export class Ring {
  begin(kind: u32): bool {
    return imports.record(kind) != 0;
  }
  beginCall(kind: u32): bool {
    return imports.recordCall(kind) != 0;
  }
  u64(value: u64): Ring {
    imports.recordValue(value);
    return this;
  }
  bytes(pointer: usize, size: u32): Ring {
    imports.recordBytes(pointer, size);
    return this;
  }
  memory(address: u64, size: u32, mark: u32 = 0): Ring {
    imports.recordMemory(address, size, mark);
    return this;
  }
  string(address: u64, most: u32 = 4096, mark: u32 = 0): Ring {
    imports.recordString(address, most, mark);
    return this;
  }
  path(descriptor: u32): Ring {
    imports.recordPath(descriptor);
    return this;
  }
  end(): bool {
    return imports.recordEnd() != 0;
  }
  parameter(offset: u32): u64 {
    return imports.parameter(offset);
  }
  add(index: u32, value: u64): u64 {
    return imports.sum(index, value);
  }
}
export const ring = changetype<Ring>(0);
