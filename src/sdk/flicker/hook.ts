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
}
export const ring = changetype<Ring>(0);
