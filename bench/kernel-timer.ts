// A launcher that times the exports of a wasm module, for bench/backend.ts. It reads from standard input the number of an
// export, an argument, and bytes for linear memory; calls the export once to warm up and once with the clock (processor
// time of the process), and writes the nanoseconds and the result.

import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { buildLauncher } from "../src/backend/build-launcher.js";
import {
  Assembler,
  eax,
  edi,
  edx,
  mem,
  r12,
  r13,
  r14,
  rax,
  rbx,
  rdi,
  rdx,
  rip,
  rsi,
  rsp,
} from "../src/backend/x64/assembler.js";

const SYS_READ = 0;
const SYS_WRITE = 1;
const SYS_EXIT_GROUP = 231;
const SYS_CLOCK_GETTIME = 228;
const CLOCK_PROCESS_CPUTIME_ID = 2;
/** number, argument, prepared, pointer, size: u64 each. */
const HEADER_SIZE = 40;

/** One timed call. */
export interface Timed {
  readonly nanoseconds: number;
  readonly result: bigint;
}

export interface Input {
  readonly pointer: number;
  readonly bytes: Uint8Array;
}

/** @param prepare is called before each call, with `prepared`, and does not count */
export function emitTimer(a: Assembler, names: readonly string[], prepare: string): void {
  const readAll = (): void => {
    // read(0, rsi, rdx) until rdx bytes are there.
    const again = a.label();
    const done = a.label();
    a.bind(again);
    a.test(rdx, rdx);
    a.jcc("e", done);
    a.mov(edi, 0);
    a.mov(eax, SYS_READ);
    a.syscall();
    a.test(rax, rax);
    a.jcc("le", done);
    a.add(rsi, rax);
    a.sub(rdx, rax);
    a.jmp(again);
    a.bind(done);
  };
  const now = (): void => {
    a.mov(edi, CLOCK_PROCESS_CPUTIME_ID);
    a.lea(rsi, mem({ base: rbx, disp: 64 }));
    a.mov(eax, SYS_CLOCK_GETTIME);
    a.syscall();
    a.mov(rax, mem({ base: rbx, disp: 64 }));
    a.imul(rax, rax, 1_000_000_000);
    a.add(rax, mem({ base: rbx, disp: 72 }));
  };
  a.global("_start");
  a.sub(rsp, 128);
  a.mov(rbx, rsp);
  a.mov(rsi, rbx);
  a.mov(edx, HEADER_SIZE);
  readAll();
  a.lea(rsi, rip("memory"));
  a.add(rsi, mem({ base: rbx, disp: 24 }));
  a.mov(rdx, mem({ base: rbx, disp: 32 }));
  readAll();
  a.lea(r13, rip("exports"));
  a.mov(rax, mem({ base: rbx }));
  a.movsxd(r12, mem({ base: r13, index: rax, scale: 4 }));
  a.add(r12, r13);
  for (const isTimed of [false, true]) {
    a.mov(rdi, mem({ base: rbx, disp: 16 }));
    a.call(`engine.${prepare}`);
    if (isTimed) {
      now();
      a.mov(r14, rax);
      a.mov(rdi, mem({ base: rbx, disp: 8 }));
    } else a.mov(edi, 1);
    a.call(r12);
  }
  a.mov(mem({ base: rbx, disp: 8 }), rax);
  now();
  a.sub(rax, r14);
  a.mov(mem({ base: rbx }), rax);
  a.mov(edi, 1);
  a.mov(rsi, rbx);
  a.mov(edx, 16);
  a.mov(eax, SYS_WRITE);
  a.syscall();
  a.mov(edi, 0);
  a.mov(eax, SYS_EXIT_GROUP);
  a.syscall();
  a.section("rodata");
  a.align(4);
  a.global("exports");
  for (const name of names) a.u32Offset(`engine.${name}`, "exports");
  a.section("text");
}

/** Writes the launcher to `file` and gives a function that makes one timed call. */
export function nativeTimer(
  file: string,
  wasm: Uint8Array,
  names: readonly string[],
  prepare: string,
): (name: string, argument: number, prepared: number, input: Input) => Timed {
  writeFileSync(
    file,
    buildLauncher(wasm, (a) => emitTimer(a, names, prepare)),
    { mode: 0o755 },
  );
  return (name, argument, prepared, { pointer, bytes }) => {
    const header = new BigUint64Array([names.indexOf(name), argument, prepared, pointer, bytes.length].map(BigInt));
    const output = execFileSync(file, { input: Buffer.concat([new Uint8Array(header.buffer), bytes]) });
    return { nanoseconds: Number(output.readBigUInt64LE(0)), result: output.readBigUInt64LE(8) };
  };
}
