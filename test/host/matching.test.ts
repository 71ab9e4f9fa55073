// `flicker inspect --match` on a program of which everything is known: its source is here, and objdump reads it too.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { readElfFile } from "../../src/host/elf-file.js";
import { type Matched, Matching, TEXTS_OF_A_FILE } from "../../src/host/matching.js";
import { packageRoot } from "../../src/host/package-root.js";
import { compileMatch } from "../../src/match/compile.js";

const folder = mkdtempSync(join(tmpdir(), "flicker-matching-"));
after(() => rmSync(folder, { recursive: true, force: true }));
const program = join(folder, "program");
const stripped = join(folder, "stripped");

/** 70,000 bytes of code in a row, more than the engine takes at once, and data that is no code. */
const ASSEMBLY = `
  .globl first, second, other
  .type first, @function
  .type second, @function
first:
  mov %rax, 8(%rsp)
  mov %rcx, (%rdi,%rsi,4)
  addl $0x10, 4(%rsp)
  cmp $0x10, %eax
  jz 1f
  call second
  call puts@PLT
  lock incl (%rdi)
  xchg %eax, (%rdi)
  rep movsb
  vpaddd %ymm1, %ymm2, %ymm3
1: ret
  .size first, . - first
  .byte 0x06, 0x06, 0x06
second:
  .rept 10000
  lea 0x123456(%rax), %rbx
  .endr
  syscall
  ret
  .size second, . - second
  .section .note.GNU-stack,"",@progbits
`;

before(() => {
  writeFileSync(join(folder, "code.S"), ASSEMBLY);
  writeFileSync(join(folder, "main.c"), "void first(void); int main(void) { first(); return 0; }\n");
  execFileSync("gcc", ["-O1", "-o", program, join(folder, "code.S"), join(folder, "main.c")]);
  execFileSync("strip", ["-o", stripped, program]);
});

async function match(text: string, path = program): Promise<{ texts: string[]; instructions: number }> {
  const { Disassembler } = await import("../../src/host/disassembly.js");
  const file = readElfFile(path);
  const matching = await Matching.create(packageRoot, file, compileMatch(text, TEXTS_OF_A_FILE));
  const disassembler = new Disassembler(file, false);
  const found: Matched[] = [];
  matching.run((matched) => found.push(matched));
  const texts = found.map(({ address, bytes }) => disassembler.print(bytes, address)!.text);
  return { texts, instructions: matching.instructions };
}
const inFirst = async (text: string): Promise<string[]> => (await match(`function == first and (${text})`)).texts;

test("classes, memory, mnemonics and sets on code of which everything is known", async () => {
  assert.deepEqual(await inFirst("store and not stack"), [
    "mov %rcx,(%rdi,%rsi,4)",
    "lock incl (%rdi)",
    "xchg %eax,(%rdi)",
    "rep movsb (%rsi),(%rdi)",
  ]);
  assert.deepEqual(await inFirst("mem.base == rsp"), ["mov %rax,8(%rsp)", "addl $0x10,4(%rsp)"]);
  assert.deepEqual(await inFirst("mnemonic in {add, sub} and mem.base == rsp"), ["addl $0x10,4(%rsp)"]);
  assert.deepEqual(await inFirst('asm ~ "cmp.*0x10"'), ["cmp $0x10,%eax"]);
  assert.deepEqual(await inFirst("imm == 0x10"), ["addl $0x10,4(%rsp)", "cmp $0x10,%eax"]);
  assert.deepEqual(await inFirst("atomic"), ["lock incl (%rdi)", "xchg %eax,(%rdi)"]);
  assert.deepEqual(await inFirst("string and rep"), ["rep movsb (%rsi),(%rdi)"]);
  assert.deepEqual(await inFirst("simd"), ["vpaddd %ymm1,%ymm2,%ymm3"]);
  assert.deepEqual(await inFirst("ymm3 in writes"), ["vpaddd %ymm1,%ymm2,%ymm3"]);
  assert.equal((await inFirst("cond and size == 2 and target > address")).length, 1);
});

test("what a call leads to: functions of the file, and of libraries through the PLT", async () => {
  assert.equal((await inFirst("call and target.function == second")).length, 1);
  assert.equal((await inFirst("call and target.function == puts")).length, 1);
  assert.equal((await inFirst("call and target in program")).length, 1);
  assert.equal((await inFirst("call and target in libc")).length, 1);
  assert.equal((await inFirst("call and target in libm")).length, 0);
  // Exported functions keep their names; others are not known, and no comparison with them holds.
  assert.equal((await match("call and target.function == puts", stripped)).texts.length, 1);
  assert.equal((await match("function == second", stripped)).texts.length, 0);
  assert.equal((await match("function != second and syscall", stripped)).texts.length, 0);
  assert.equal((await match("not function == second and syscall", stripped)).texts.length, 1);
});

test("every instruction is found once, across the pieces that the engine takes at once", async () => {
  const { texts, instructions } = await match("function == second");
  assert.equal(texts.length, 10_002);
  assert.deepEqual(texts.slice(-2), ["syscall", "ret"]);
  const without = await match("function == second", stripped);
  assert.ok(Math.abs(without.instructions - instructions) < 10);
  assert.equal((await match('asm == "lea 0x123456(%rax),%rbx"', stripped)).texts.length, 10_000);
});

test("the same instructions as objdump, in order", async () => {
  const lines = execFileSync("objdump", ["-d", "-w", "--no-show-raw-insn", "-j", ".text", program], {
    encoding: "utf8",
  });
  const theirs = [...lines.matchAll(/^\s*([0-9a-f]+):\t(?!\(bad\))/gm)].map(([, address]) => BigInt(`0x${address}`));
  const file = readElfFile(program);
  const text = file.sections.find(({ name }) => name === ".text")!;
  const matching = await Matching.create(packageRoot, file, compileMatch("all", TEXTS_OF_A_FILE));
  const ours: bigint[] = [];
  matching.run(({ address }) => {
    if (address >= text.address && address < text.address + BigInt(text.size)) ours.push(address);
  });
  assert.deepEqual(ours, theirs);
});
