/**
 * The SDK of Flicker's hooks: TypeScript that is compiled to native code and called at system calls and instructions of a program.
 *
 * A hook is one file (it may import others by relative paths) that exports some of
 *
 *     export function matchCall(number: u32): bool          which calls the hook sees; without it, all
 *     export function beforeCall(call: SystemCall): void    runs once, before the call is made
 *     export function afterCall(call: SystemCall): void     runs once, with what the program will see
 *     export function match(i: Instruction): bool           which instructions; without it, those of --match
 *     export function before(context: Context): void        runs each time in front of one of them
 *     export function replace(context: Context): void       the same, and the instruction is not executed
 *     export function after(context: Context): void         runs each time behind one that goes on to the next
 *     export function onStart(event: Event): void           a program starts; likewise onFork, onThread, onThreadEnd
 *     export function onEnd(event: EndEvent): void          it ends
 *     export function onLibrary(event: LibraryEvent): void  a file that can be executed has been mapped
 *
 * and is used by `flicker run --hook my.ts -- PROG`. Its language is AssemblyScript: numbers have sizes (`u64`, `i32`...), and
 * memory is allocated at the top of the file only, where the code runs when the hook is built. See docs/hooks.md.
 */

declare global {
  /** Integers of AssemblyScript. To an editor they are numbers; compiled, they have their size. */
  type i8 = number;
  type i16 = number;
  type i32 = number;
  type i64 = number;
  type u8 = number;
  type u16 = number;
  type u32 = number;
  type u64 = number;
  /** A pointer into the hook's own memory. */
  type usize = number;
  type bool = boolean;

  /** AssemblyScript's own functions that hooks use most: its documentation has all of them. */
  function load<T>(pointer: usize, offset?: usize): T;
  function store<T>(pointer: usize, value: T, offset?: usize): void;
  function assert(condition: unknown, message?: string): void;
  function unreachable(): never;
  const memory: { data(size: i32, align?: i32): usize };
  /** A table of fixed length, made at the top of the file. Its elements are in the hook's memory, which all threads share. */
  class StaticArray<T> {
    constructor(length: i32);
    [index: number]: T;
    readonly length: i32;
  }
}

/** The system call that a hook is called for. It is only good until the hook's function returns. */
export declare class SystemCall {
  private constructor();
  /** The call's number: `/usr/include/asm/unistd_64.h`. Set it in `beforeCall` to have another call made. */
  number: u64;
  /** Argument 0 to 5. */
  argument(index: u32): u64;
  /** In `beforeCall`: what the kernel gets. The program's own register is not changed. */
  setArgument(index: u32, value: u64): void;
  /** In `afterCall`: what the program gets, a value or `-errno`. May be set. */
  result: i64;
  /** In `afterCall`: whether the result is an error. */
  readonly failed: bool;
  /** In `beforeCall`: the call is not made, and gives this result (`-errno` for an error). Hooks behind this one do not see it before, but after. */
  skip(result: i64): void;
  /** In `afterCall`: the call is made again, with the arguments that `beforeCall` left, and `afterCall` is called again. */
  retry(): void;
  /** A note of the hook's own on this call: 0 in `beforeCall`, and in `afterCall` what that has left. */
  mark: u64;
  /** The kernel's number of the calling thread (`gettid`), and of its process. */
  readonly thread: u32;
  readonly process: u32;
  /** The address of the `syscall` instruction. */
  readonly site: u64;
}

/** The program in front of an instruction, or behind it. It is only good until the hook's function returns. */
export declare class Context {
  private constructor();
  /** The program's registers. What is set is what the instruction, or in `after` the next one, finds. */
  rax: u64;
  rcx: u64;
  rdx: u64;
  rbx: u64;
  rbp: u64;
  rsi: u64;
  rdi: u64;
  r8: u64;
  r9: u64;
  r10: u64;
  r11: u64;
  r12: u64;
  r13: u64;
  r14: u64;
  r15: u64;
  readonly rsp: u64;
  /** RFLAGS. Of what is set, CF, PF, AF, ZF, SF and OF count. */
  flags: u64;
  /** The address of the instruction's operand in memory, by the registers as they are now: 0 when it has none, for gathers and scatters, and for operands relative to gs. */
  readonly operandAddress: u64;
  /** In `before`: the instruction is not executed, and the program goes on behind it. Hooks behind this one are not called. */
  skip(): void;
  /** The program goes on at an address. In `before` that is instead of the instruction, as with `skip`. */
  goto(address: u64): void;
  /** The kernel's number of the thread (`gettid`), and of its process. */
  readonly thread: u32;
  readonly process: u32;
  /** The instruction's address in the process. */
  readonly site: u64;
}

/**
 * What has happened to a process. `onStart`: a program is in memory and has not run yet. `onFork`: in a child, before it goes on; not
 * in one that lives in its parent's memory (vfork). `onThread`, `onThreadEnd`: in the thread, before it goes on, and when it ends by
 * itself. It is only good until the hook's function returns.
 */
export declare class Event {
  protected constructor();
  /** The kernel's number of the thread (`gettid`), and of its process. */
  readonly thread: u32;
  readonly process: u32;
}

/** The program ends: it exits, or executes another. Not when a signal ends it. */
export declare class EndEvent extends Event {
  /** What it exits with, 0 to 255. */
  readonly status: u32;
  /** It executes another program. Should that fail, it goes on, and ends once more. */
  readonly executes: bool;
}

/** The program has mapped a file with PROT_EXEC. Its own file and its interpreter (ld.so) are there at the start. */
export declare class LibraryEvent extends Event {
  readonly address: u64;
  /** In bytes. */
  readonly size: u64;
  /** Where in the file it begins. */
  readonly offset: u64;
  /** For `path.of`. */
  readonly descriptor: u32;
}

/** What is known of an instruction when code is mapped. It is only good until `match` returns. */
export declare class Instruction {
  private constructor();
  /** Where it is in its file, as objdump prints it, and as an offset. */
  readonly address: u64;
  readonly offset: u64;
  /** Where a direct jump or call leads, in the same terms as `address`. Says nothing unless `hasTarget`. */
  readonly target: u64;
  /** The first immediate, signed. Says nothing unless `hasImmediate`. */
  readonly immediate: i64;
  /** Of the operand in memory; they say nothing unless `hasMemory`. Registers have ModRM's numbers; 254 is rip, 255 none. */
  readonly displacement: i64;
  readonly base: u8;
  readonly index: u8;
  readonly scale: u8;
  /** 0 none, 1 fs, 2 gs. */
  readonly segment: u8;
  /** Bytes of the operand in memory, also of string instructions; 0: not known. */
  readonly memorySize: u16;
  /** Bytes of the first operand; 0: not known. */
  readonly width: u16;
  /** Bytes of the instruction, and the n-th of them. */
  readonly size: u8;
  byte(n: u32): u8;
  /** With its escape bytes: 0x89, 0x0f05, 0x0f38f0. */
  readonly opcode: u32;
  /** Bit n is register n: rax rcx rdx rbx rsp rbp rsi rdi r8..r15, or xmm0..xmm31. */
  readonly registersRead: u32;
  readonly registersWritten: u32;
  readonly vectorsRead: u32;
  readonly vectorsWritten: u32;
  /** 1 OF, 2 SF, 4 ZF, 8 AF, 16 PF, 32 CF, 64 DF; written ones may be left undefined. */
  readonly flagsRead: u8;
  readonly flagsWritten: u8;
  /** Classes, as in docs/matching.md. */
  readonly isJump: bool;
  readonly isConditional: bool;
  readonly isCall: bool;
  readonly isReturn: bool;
  readonly isIndirect: bool;
  readonly isSystemCall: bool;
  readonly isLoad: bool;
  readonly isStore: bool;
  readonly isStack: bool;
  readonly isAtomic: bool;
  readonly isString: bool;
  readonly isSimd: bool;
  readonly isNop: bool;
  readonly hasTarget: bool;
  readonly hasImmediate: bool;
  readonly hasMemory: bool;
  /** The operand in memory is read; written. */
  readonly readsMemory: bool;
  readonly writesMemory: bool;
}

/**
 * A count that all threads add to. When a process ends, or executes another program, a line on standard error says the
 * name and what was counted since the last such line; `--stats-file` has it as JSON. Made at the top of the file.
 */
export declare class Counter {
  constructor(name: string);
  add(value: u64): void;
  readonly value: u64;
}

/**
 * A value of each thread's own: 0 in a new thread; the child of a fork goes on with its parent's. A hook has at most 8, made at the top
 * of the file. Other variables that change make the hook run in one thread at a time; these do not.
 */
export declare class ThreadValue {
  constructor();
  value: u64;
}

/** How often which sizes have been seen, by powers of two. All threads add to it. Made at the top of the file. */
export declare class Histogram {
  constructor(name: string);
  add(value: u64): void;
  /** How many values had so many bits: 0 had none, 1 had one, 2 and 3 had two. */
  count(bits: u32): u64;
  readonly total: u64;
  /** A line for each range that has values: `name 64..127 12`. */
  log(): void;
  clear(): void;
}

/** A table from u64 to u64 for all threads, of a fixed size. Keys stay until it is cleared. Made at the top of the file. */
export declare class FixedMap {
  /** Has room for `capacity` keys at least. */
  constructor(capacity: u32);
  /** Adds to the key's value, which is 0 at first; false when there is no room for the key. */
  add(key: u64, value: u64): bool;
  set(key: u64, value: u64): bool;
  /** 0 for a key that is not there. */
  get(key: u64): u64;
  /** For loops: places 0 to `places - 1` have a key and a value each; of those that are free both are 0. */
  readonly places: u32;
  key(place: u32): u64;
  value(place: u32): u64;
  /** A line for each of the largest values: `what 0x7f0012345678 99`; keys that are addresses can be said as `log.place` says them. */
  logLargest(most: u32, what: string, arePlaces?: bool): void;
  /** Forgets all keys; not while other threads add. */
  clear(): void;
}

/** Loads from the program's memory. What cannot be read, or is the engine's, gives 0. */
export declare function peek8(address: u64): u8;
export declare function peek16(address: u64): u16;
export declare function peek32(address: u64): u32;
export declare function peek64(address: u64): u64;
/** Stores to the program's memory; false where it cannot be written, or is the engine's. */
export declare function poke8(address: u64, value: u8): bool;
export declare function poke16(address: u64, value: u16): bool;
export declare function poke32(address: u64, value: u32): bool;
export declare function poke64(address: u64, value: u64): bool;
/** Copies from the program's memory to the hook's; false when not all of it can be read. */
export declare function read(pointer: usize, address: u64, size: u32): bool;
/** Copies from the hook's memory to the program's; false when not all of it can be written. */
export declare function write(address: u64, pointer: usize, size: u32): bool;

/** The calling thread waits, and signals for it do. Not in a hook with global variables that change. */
export declare function sleep(nanoseconds: u64): void;

/**
 * Sends the calling thread a signal, 1 to 64. Its handler runs when the hooks are done: before the call or instruction in
 * `beforeCall` and `before`, behind it in `afterCall` and `after`. Not for events.
 */
export declare function raise(signal: u32): void;

/** What is kept for a process, whatever it executes: its threads share it, and a child begins with zeros. */
export declare class Tally {
  private constructor();
  /** Where the process stands among those that the first one has made: the same in each run of programs that do the same. */
  readonly place: u64;
  /** Adds to number 0 to 31 of the hook's in this process; gives what it was. */
  add(index: u32, value: u64): u64;
}
export declare const tally: Tally;

/** A path, kept for the hook until it asks for another or begins a record. */
export declare class Path {
  private constructor();
  /** Takes what /proc/self/fd says of a descriptor; gives its size, 0 when there is none. */
  of(descriptor: u32): u32;
  /** Takes the string at an address of the program's, behind the path of `directory` when it is relative. */
  at(directory: u32, address: u64): u32;
  /** One byte of it; 0 behind its end. */
  byte(index: u32): u8;
}
export declare const path: Path;

/** A line on the program's standard error, put together piece by piece. It is written at `end`, or when the hook returns. */
export declare class Log {
  private constructor();
  text(text: string): Log;
  unsigned(value: u64): Log;
  signed(value: i64): Log;
  /** With `0x` in front. */
  hex(value: u64): Log;
  /** The zero-terminated string at an address of the program's: 256 bytes of it at most, `?` for what cannot be read. */
  string(address: u64): Log;
  /** Where an address is: `/usr/bin/perl+0x1330e3`, an offset in the file, where instructions of that are sites; else the address. */
  place(address: u64): Log;
  /** The path that the hook has asked `path` for. */
  path(): Log;
  end(): void;
}
/** `log.text("opens ").string(call.argument(1)).end()`; of a line, 1,024 bytes are written. */
export declare const log: Log;

/**
 * Records for a reader outside of the program, which goes on meanwhile: see docs/hooks.md. A record is begun, gets its pieces in
 * order, and is written when it is ended; until then what is in memory must stay.
 */
export declare class Ring {
  private constructor();
  /** False when nobody reads records: what is added is then ignored. `kind` is the hook's to choose, up to 2^31. */
  begin(kind: u32): boolean;
  /** As `begin`, with the call that the hook is called for in front: its number, arguments and, in `afterCall`, result. */
  beginCall(kind: u32): boolean;
  /** Eight bytes. */
  u64(value: u64): Ring;
  /** Bytes of the hook's own memory, with zeros up to a multiple of eight. */
  bytes(pointer: usize, size: u32): Ring;
  /** Bytes of the program's memory, as many as can be read, behind their address, their number and the mark. */
  memory(address: u64, size: u32, mark?: u32): Ring;
  /** The zero-terminated string at an address of the program's, `most` bytes of it, as `memory`. */
  string(address: u64, most?: u32, mark?: u32): Ring;
  /** What a descriptor of the program's is called in /proc/self/fd, as `memory` with the descriptor as address and 2 as mark. */
  path(descriptor: u32): Ring;
  /** False when the record was lost: there was no room for it. */
  end(): boolean;
  /** Eight bytes of what the reader tells the hook, from a multiple of eight on; 0 without a reader. */
  parameter(offset: u32): u64;
  /** Adds to one of 64 sums that all processes share and the reader sees; gives what it was, 0 without a reader. */
  add(index: u32, value: u64): u64;
}
/** `if (ring.begin(1)) ring.u64(call.argument(0)).string(call.argument(1)).end()` */
export declare const ring: Ring;
