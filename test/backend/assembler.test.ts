// What the assembler emits is decoded by iced-x86 and must read as it was asked for, for every mnemonic, operand shape,
// width and register. The oracle knows nothing of our encoder; it says nothing about which of several encodings was
// chosen, so the vectors at the end pin those to GNU as's choice.

import assert from "node:assert/strict";
import { test } from "node:test";
import iced from "iced-x86";
import {
  Assembler,
  AssemblyError,
  OperandError,
  cl,
  eax,
  ecx,
  mem,
  mem16,
  mem64,
  mem8,
  r11,
  r12,
  r13,
  r15,
  r9,
  rax,
  rbp,
  rbx,
  rcx,
  rdi,
  rdx,
  register,
  rip,
  rip32,
  rsp,
  sil,
  ax,
  al,
  r8,
  edx,
  bx,
  spl,
  type Memory,
  type Size,
} from "../../src/backend/x64/assembler.js";

const formatter = new iced.Formatter(iced.FormatterSyntax.Gas);
formatter.gasShowMnemonicSizeSuffix = false;
formatter.spaceAfterOperandSeparator = false;
formatter.uppercaseHex = false;
formatter.smallHexNumbersInDecimal = false;

function textOf(assembler: Assembler): Uint8Array {
  assembler.finish();
  return assembler.sections[0].bytes;
}

function decode(bytes: Uint8Array): string[] {
  const decoder = new iced.Decoder(64, bytes, iced.DecoderOptions.None);
  const lines: string[] = [];
  while (decoder.canDecode) {
    const instruction = decoder.decode();
    lines.push(instruction.isInvalid ? "(bad)" : formatter.format(instruction));
    instruction.free();
  }
  decoder.free();
  return lines;
}

function listing(emit: (a: Assembler) => void): string[] {
  const assembler = new Assembler();
  emit(assembler);
  return decode(textOf(assembler));
}

/** Names the first line that differs: a diff of thousands of lines helps nobody. */
function sameLines(got: string[], expected: string[]): void {
  const at = expected.findIndex((line, index) => line !== got[index]);
  if (at !== -1) assert.equal(got[at], expected[at], `line ${at}`);
  assert.equal(got.length, expected.length);
}

const hexOf = (emit: (a: Assembler) => void): string => {
  const assembler = new Assembler();
  emit(assembler);
  return Buffer.from(textOf(assembler)).toString("hex");
};

const SIZES: Size[] = [8, 16, 32, 64];
const suffix = { 8: "b", 16: "w", 32: "l", 64: "q" } as const;
const numbers = Array.from({ length: 16 }, (_, number) => number);

/** Every base, every index, every length of displacement, and the absolute form. */
function places(size: Size | null = null): [Memory, string][] {
  const list: [Memory, string][] = [];
  const hex = (disp: number): string =>
    disp === 0 ? "" : disp < 0 ? `-0x${(-disp).toString(16)}` : `0x${disp.toString(16)}`;
  const sized = size === null ? {} : { size };
  for (const base of numbers.map((number) => register(number, 64))) {
    for (const disp of [0, 1, -1, 127, -128, 128, 0x12345678, -0x80000000]) {
      list.push([mem({ base, disp, ...sized }), `${hex(disp)}(${base})`]);
    }
    for (const index of numbers.map((number) => register(number, 64))) {
      if (index === rsp) continue;
      const scale = ([1, 2, 4, 8] as const)[(index.number + base.number) & 3] as 1 | 2 | 4 | 8;
      const disp = [0, 8, 0x1000][(index.number * 3 + base.number) % 3] as number;
      const scaled = scale === 1 ? "" : `,${scale}`;
      list.push([mem({ base, index, scale, disp, ...sized }), `${hex(disp)}(${base},${index}${scaled})`]);
    }
  }
  list.push([mem({ segment: "gs", disp: 0x10, ...sized }), "%gs:0x10"]);
  list.push([mem({ segment: "fs", base: rax, disp: 0x10, ...sized }), "%fs:0x10(%rax)"]);
  list.push([mem({ index: rcx, scale: 8, disp: 0x40, ...sized }), "0x40(,%rcx,8)"]);
  return list;
}

test("memory operands read back as they were written", () => {
  const expected: string[] = [];
  const got = listing((a) => {
    for (const [place, text] of places()) {
      a.mov(place, rcx);
      expected.push(`mov %rcx,${text}`);
      if (place.segment !== null) continue;
      a.lea(r9, place);
      expected.push(`lea ${text},%r9`);
    }
  });
  sameLines(got, expected);
});

test("two-operand arithmetic, all widths, registers and directions", () => {
  for (const name of ["add", "or", "adc", "sbb", "and", "sub", "xor", "cmp", "mov", "test", "xchg"] as const) {
    const expected: string[] = [];
    const got = listing((a) => {
      for (const size of SIZES) {
        for (const number of numbers) {
          const left = register(number, size);
          const right = register((number * 7 + 3) & 15, size);
          a[name](left, right);
          expected.push(`${name} ${right},${left}`);
          a[name](mem({ base: r13, index: r12 }), left);
          expected.push(`${name} ${left},(%r13,%r12)`);
          a[name](left, mem({ base: rbx, disp: 5 }));
          expected.push(name === "test" || name === "xchg" ? `${name} ${left},0x5(%rbx)` : `${name} 0x5(%rbx),${left}`);
        }
      }
    });
    // xchg and test are symmetric: iced names the operands in encoding order. xchg of a register with itself is a nop.
    const order = (line: string): string => {
      const [operation, operands] = line.replace(/^nop$/, "xchg %ax,%ax").split(" ") as [string, string];
      if (name !== "xchg" && name !== "test") return line;
      return `${operation} ${operands
        .split(/,(?![^(]*\))/)
        .sort()
        .join(",")}`;
    };
    sameLines(got.map(order), expected.map(order));
  }
});

test("arithmetic with immediates", () => {
  const values = {
    8: [0, 1, -1, 127, -128, 255],
    16: [1, -1, 300, -300, 65535],
    32: [0, -1, 127, 128, -129, 0x7fffffff, 0xffffffff],
    64: [0, -1, 127, 128, -129, 0x7fffffff, -0x80000000],
  };
  const wideOf = (value: number, size: Size): string => `0x${BigInt.asUintN(size, BigInt(value)).toString(16)}`;
  for (const name of ["add", "or", "adc", "sbb", "and", "sub", "xor", "cmp", "mov", "test"] as const) {
    const expected: string[] = [];
    const got = listing((a) => {
      for (const size of SIZES) {
        for (const value of values[size]) {
          for (const number of numbers) {
            a[name](register(number, size), value);
            expected.push(`${name} $${wideOf(value, size)},${register(number, size)}`);
          }
          a[name](mem({ base: rsp, disp: 8, size }), value);
          expected.push(`${name}${suffix[size]} $${wideOf(value, size)},0x8(%rsp)`);
          a[name](rip("somewhere", 16, size), value);
          expected.push(`${name}${suffix[size]} $${wideOf(value, size)},RIP`);
        }
      }
    });
    // iced prints negative immediates signed and rip-relative addresses as absolute ones.
    const canonical = got.map((line) => {
      const [head, ...rest] = line.split(",") as [string, ...string[]];
      const number = /\$(-?(?:0x)?[0-9a-f]+)$/.exec(head)?.[1] as string;
      const size =
        /%/.test(rest.join(",")) && !/\(/.test(rest.join(",")) ? widthOf(rest[0] as string) : sizeBySuffix(head);
      const value = number.startsWith("-") ? -BigInt(number.slice(1)) : BigInt(number);
      const place = rest.join(",");
      const operation = head.replace(/\$.*/, "").replace("movabs", "mov");
      return `${operation}$0x${BigInt.asUintN(size, value).toString(16)},${/^0x[^(]*$/.test(place) ? "RIP" : place}`;
    });
    sameLines(canonical, expected);
  }
});

function widthOf(name: string): Size {
  for (const size of SIZES) for (const number of numbers) if (`${register(number, size)}` === name) return size;
  throw new Error(`${name} is no register`);
}
const sizeBySuffix = (head: string): Size =>
  ({ b: 8, w: 16, l: 32, q: 64 })[(head.split(" ")[0] as string).slice(-1)] as Size;

test("one-operand arithmetic, shifts, bit scans, conditional moves and sets", () => {
  const expected: string[] = [];
  const got = listing((a) => {
    for (const size of SIZES) {
      for (const number of numbers) {
        const one = register(number, size);
        const other = register((number + 5) & 15, size);
        for (const name of ["inc", "dec", "neg", "not", "mul", "div", "idiv", "imul"] as const) {
          a[name](one);
          expected.push(`${name} ${one}`);
          a[name](mem({ base: rax, size }));
          expected.push(`${name}${suffix[size]} (%rax)`);
        }
        for (const name of ["rol", "ror", "shl", "shr", "sar"] as const) {
          a[name](one, cl);
          expected.push(`${name} %cl,${one}`);
          a[name](one, size - 1);
          expected.push(`${name} $0x${(size - 1).toString(16)},${one}`);
          a[name](one, 1);
          expected.push(`${name} $0x1,${one}`);
          a[name](mem({ base: rax, size }), 3);
          expected.push(`${name}${suffix[size]} $0x3,(%rax)`);
        }
        if (size === 8) {
          a.setcc("ge", one);
          expected.push(`setge ${one}`);
          for (const to of [register(number, 16), register(number, 32), register(number, 64)]) {
            a.movzx(to, other);
            expected.push(`movz${suffix[8]}${suffix[to.size]} ${other},${to}`);
            a.movsx(to, other);
            expected.push(`movs${suffix[8]}${suffix[to.size]} ${other},${to}`);
          }
          continue;
        }
        for (const name of ["bsf", "bsr", "tzcnt", "lzcnt", "popcnt"] as const) {
          a[name](one, other);
          expected.push(`${name} ${other},${one}`);
        }
        for (const name of ["bt", "bts", "btr"] as const) {
          a[name](one, other);
          expected.push(`${name} ${other},${one}`);
          a[name](one, 5);
          expected.push(`${name} $0x5,${one}`);
        }
        for (const condition of [
          "o",
          "no",
          "b",
          "ae",
          "e",
          "ne",
          "be",
          "a",
          "s",
          "ns",
          "p",
          "np",
          "l",
          "ge",
          "le",
          "g",
        ] as const) {
          a.cmovcc(condition, one, other);
          expected.push(`cmov${condition} ${other},${one}`);
          a.setcc(condition, mem8({ base: rdi }));
          expected.push(`set${condition} (%rdi)`);
        }
        a.imul(one, other);
        expected.push(`imul ${other},${one}`);
        a.imul(one, mem({ base: r8 }), 100);
        expected.push(`imul $0x64,(%r8),${one}`);
        a.imul(one, other, 0x1234);
        expected.push(`imul $0x1234,${other},${one}`);
        a.cmpxchg(mem({ base: r8 }), one);
        expected.push(`cmpxchg ${one},(%r8)`);
        a.lock().xadd(mem({ base: r8 }), one);
        expected.push(`lock xadd ${one},(%r8)`);
        if (size === 16) {
          a.movzx(register(number, 32), other);
          expected.push(`movzwl ${other},${register(number, 32)}`);
          a.movsx(register(number, 64), other);
          expected.push(`movswq ${other},${register(number, 64)}`);
        } else {
          a.bswap(one);
          expected.push(`bswap ${one}`);
        }
        if (size === 64) {
          a.push(one);
          expected.push(`push ${one}`);
          a.pop(one);
          expected.push(`pop ${one}`);
          a.movsxd(one, register(number, 32));
          expected.push(`movslq ${register(number, 32)},${one}`);
          a.rdfsbase(one);
          a.rdgsbase(one);
          a.wrfsbase(one);
          a.wrgsbase(one);
          expected.push(`rdfsbase ${one}`, `rdgsbase ${one}`, `wrfsbase ${one}`, `wrgsbase ${one}`);
          a.jmp(one);
          expected.push(`jmp *${one}`);
          a.call(one);
          expected.push(`call *${one}`);
        }
      }
    }
  });
  sameLines(got, expected);
});

test("instructions without operands", () => {
  const got = listing((a) => {
    a.cdq();
    a.cqo();
    a.ret();
    a.nop();
    a.int3();
    a.int(0x80);
    a.ud2();
    a.hlt();
    a.syscall();
    a.pushfq();
    a.popfq();
    a.lahf();
    a.sahf();
    a.cld();
    a.std();
    a.clc();
    a.stc();
    a.pause();
    a.mfence();
    a.lfence();
    a.cpuid();
    a.rdtsc();
    a.rdtscp();
    a.xgetbv();
    a.endbr64();
    a.rep().movsb();
    a.rep().movsq();
    a.rep().stosb();
    a.rep().stosd();
    a.rep().stosq();
  });
  assert.deepEqual(
    got.map((line) => line.split(" ").slice(0, 2).join(" ")),
    [
      ..."cltd cqto ret nop int3".split(" "),
      "int $0x80",
      ..."ud2 hlt syscall pushf popf lahf sahf cld std clc stc pause mfence lfence".split(" "),
      ..."cpuid rdtsc rdtscp xgetbv endbr64".split(" "),
      ...["rep movsb", "rep movsq", "rep stos", "rep stos", "rep stos"],
    ],
  );
});

test("encodings are the ones that GNU as chooses", () => {
  const vectors: [string, (a: Assembler) => void][] = [
    ["6548890c2510000000", (a) => a.mov(mem({ segment: "gs", disp: 0x10 }), rcx)],
    ["658b042500000000", (a) => a.mov(eax, mem({ segment: "gs" }))],
    ["4889e5", (a) => a.mov(rbp, rsp)],
    ["48c7c0ffffffff", (a) => a.mov(rax, -1)],
    ["48c7c0ffffffff", (a) => a.mov(rax, 0xffffffffffffffffn)],
    ["48b8ffffffff00000000", (a) => a.mov(rax, 0xffffffff)],
    ["b8ffffffff", (a) => a.mov(eax, -1)],
    ["48c7442408ffffffff", (a) => a.mov(mem64({ base: rsp, disp: 8 }), -1)],
    ["66c7030100", (a) => a.mov(mem16({ base: rbx }), 1)],
    ["40b60f", (a) => a.mov(sil, 15)],
    ["4883c408", (a) => a.add(rsp, 8)],
    ["480534120000", (a) => a.add(rax, 0x1234)],
    ["0401", (a) => a.add(al, 1)],
    ["66052c01", (a) => a.add(ax, 300)],
    ["a901000000", (a) => a.test(eax, 1)],
    ["400fb6c6", (a) => a.movzx(eax, sil)],
    ["400fb6c4", (a) => a.movzx(eax, spl)],
    ["0fb7cb", (a) => a.movzx(ecx, bx)],
    ["6a01", (a) => a.push(1)],
    ["6800010000", (a) => a.push(256)],
    ["ff7508", (a) => a.push(mem({ base: rbp, disp: 8 }))],
    ["41ff24c4", (a) => a.jmp(mem({ base: r12, index: rax, scale: 8 }))],
    ["f0410fb14f04", (a) => a.lock().cmpxchg(mem({ base: r15, disp: 4 }), ecx)],
    ["f048832c2400", (a) => a.lock().sub(mem64({ base: rsp }), 0)],
    ["4891", (a) => a.xchg(rax, rcx)],
    ["87c0", (a) => a.xchg(eax, eax)],
    ["d1e2", (a) => a.shl(edx, 1)],
    ["4d8b1c1b", (a) => a.mov(r11, mem({ base: r11, index: rbx }))],
    ["490fcb", (a) => a.bswap(r11)],
  ];
  for (const [expected, emit] of vectors) assert.equal(hexOf(emit), expected, emit.toString());
});

test("labels, short jumps, alignment and jump tables", () => {
  const a = new Assembler();
  const top = a.label();
  const end = a.label();
  a.global("loop");
  a.bind(top);
  a.jrcxz(end);
  a.jcc("ne", top);
  a.jmp(end);
  a.jmp(end, "short");
  a.jmp(top);
  a.bind(end);
  a.ret();
  a.endGlobal();
  a.align(16);
  a.call("loop");
  const bytes = textOf(a);
  // e3 0b   jrcxz end
  // 75 fc   jne   top
  // e9 ..   jmp   end      rel32, resolved by the linker
  // eb 02   jmp   end
  // eb f3   jmp   top
  // c3      ret
  assert.equal(Buffer.from(bytes).toString("hex"), "e30b75fce900000000eb02ebf3c3" + "6690" + "e800000000");
  assert.equal(a.symbols.get("loop")?.size, 14);
  assert.equal(a.references.length, 2);
});

test("what cannot be encoded is refused", () => {
  const refused: [(a: Assembler) => void, RegExp][] = [
    [(a) => a.mov(eax, rcx), /differ in width/],
    [(a) => a.mov(mem({ base: rax }), 1), /how wide/],
    [(a) => a.mov(mem({ base: rax }), mem({ base: rcx })), /two memory operands/],
    [(a) => a.add(rax, 0x80000000), /sign-extended/],
    [(a) => a.mov(mem64({ base: rax }), 0x80000000), /sign-extended/],
    [(a) => a.mov(eax, 0x100000000), /32 bits/],
    [(a) => a.mov(al, 256), /8 bits/],
    [(a) => a.mov(rax, 2 ** 60 + 2 ** 70), /inexact|64 bits/],
    [(a) => a.movzx(eax, ecx), /cannot extend/],
    [(a) => a.movsx(ax, bx), /cannot extend/],
    [(a) => a.shl(eax, 32), /by 32/],
    [(a) => a.shl(eax, rcx), /%cl/],
    [(a) => a.push(eax), /%eax/],
    [(a) => a.lock().mov(mem({ base: rax }), rcx), /lock/],
    [(a) => a.lock().add(rax, rcx), /lock/],
    [(a) => a.lock().nop(), /lock/],
    [(a) => a.bswap(ax), /bswap/],
    [(a) => a.setcc("e", eax), /8 bits/],
    [() => mem({ base: eax }), /64-bit view/],
    [() => mem({ index: rsp }), /index/],
    [() => mem({ base: rax, disp: 0x80000000 }), /32 bits/],
    [(a) => a.imul(al, al), /imul/],
    [(a) => a.jmp("symbol", "short"), /short/],
    [(a) => a.lea(al, rip("x")), /lea/],
    [(a) => a.lea(rax, mem({ segment: "gs", disp: 8 })), /segment/],
    [(a) => a.mov(rdx, mem8({ base: rax })), /differ in width/],
    [(a) => a.inc(rip("x")), /how wide/],
  ];
  for (const [emit, message] of refused) {
    assert.throws(
      () => emit(new Assembler()),
      (error) => error instanceof OperandError && message.test(error.message),
      emit.toString(),
    );
  }
  const far = new Assembler();
  const label = far.label();
  far.jrcxz(label);
  far.bytes(new Uint8Array(128));
  far.bind(label);
  assert.throws(() => far.finish(), AssemblyError);
  const unbound = new Assembler();
  unbound.jmp(unbound.label());
  assert.throws(() => unbound.finish(), /never bound/);
  const twice = new Assembler();
  twice.global("a");
  assert.throws(() => twice.global("a"), /twice/);
  assert.doesNotThrow(() => new Assembler().mov(rip32("x"), 5));
});
