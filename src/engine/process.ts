// The engine's only ways out of its linear memory.
//
// Two kinds of address exist and never mix (docs/architecture.md): an `Address` is a u64 in the process; an engine
// pointer is a `usize` of 32 bits into the engine's linear memory. Only the functions below take an `Address`.
//
// In the launcher the backend compiles each call in place (src/backend/x64/intrinsics.ts); in Node they are imports
// that a simulated process answers (src/host/simulated-process.ts). They are imports of module "process", which is
// this file's name.

/** An address in the process. The alias is not checked: name the parameter `address`, and an engine pointer `pointer`. */
export type Address = u64;

/** Loads from the process, zero-extended. A bad address faults: use `tryCopyIn` for addresses that the program chose. */
export declare function peek8(address: Address): u32;
export declare function peek16(address: Address): u32;
export declare function peek32(address: Address): u32;
export declare function peek64(address: Address): u64;

/** Stores to the process. A bad address faults: use `tryCopyOut` for addresses that the program chose. */
export declare function poke8(address: Address, value: u32): void;
export declare function poke16(address: Address, value: u32): void;
export declare function poke32(address: Address, value: u32): void;
export declare function poke64(address: Address, value: u64): void;

/** Copies `size` bytes of the process into linear memory. Faults on a bad address. */
export declare function copyIn(pointer: usize, address: Address, size: usize): void;
/** Copies `size` bytes of linear memory into the process. Faults on a bad address. */
export declare function copyOut(address: Address, pointer: usize, size: usize): void;

/** `copyIn` that survives a bad address: gives the number of bytes that were not copied, as `copy_from_user` does; 0 is success. */
export declare function tryCopyIn(pointer: usize, address: Address, size: usize): usize;
/** `copyOut` that survives a bad address: gives the number of bytes that were not copied, as `copy_to_user` does; 0 is success. */
export declare function tryCopyOut(address: Address, pointer: usize, size: usize): usize;

/** One system call of the engine's own, from its site (seccomp/site.ts). Gives what the kernel gives: a value, or -errno in -4095..-1. */
export declare function syscall(number: u64, a: u64, b: u64, c: u64, d: u64, e: u64, f: u64): i64;
/** One system call on the program's behalf: no filter of the program's lets it through for the engine's sake. */
export declare function programSyscall(number: u64, a: u64, b: u64, c: u64, d: u64, e: u64, f: u64): i64;

/** `lock cmpxchg` on a u32 of the process: gives the value found before. */
export declare function compareExchange32(address: Address, expected: u32, desired: u32): u32;

/** The address in the process of linear memory's byte 0. */
export declare function memoryBase(): u64;

/** The stack pointer: somewhere in the calling thread's area (src/abi/thread-block.ts). */
export declare function stackPointer(): u64;
/** Sets gs base (`wrgsbase`). */
export declare function writeGsBase(base: u64): void;
/** Reads fs base (`rdfsbase`): the program's thread pointer. */
export declare function readFsBase(): u64;

/** `cpuid`: writes eax, ebx, ecx, edx as four u32 at `pointer`. */
export declare function cpuid(leaf: u32, subleaf: u32, pointer: usize): void;
/** `pause`, for spinning. */
export declare function pause(): void;
/** `mfence`. */
export declare function fence(): void;

/** Calls the entry of a hook's export (src/abi/hook-table.ts), with an argument if it takes one; gives its result if it has one. */
export declare function callHook(entry: Address, argument: u32): u32;
/** Calls a `ret` that a debugger has a breakpoint at when it wants to know of new trampolines (debug/gdb-jit.ts). */
export declare function debuggerEvent(at: Address): void;
