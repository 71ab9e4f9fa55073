// The compiled wasm against an interpreter of the syntax tree that knows the record by its drawing only
// (src/abi/instruction-record.ts): random expressions on random records. And what spellings mean the same.

import assert from "node:assert/strict";
import { test } from "node:test";
import { HAS_TARGET, RECORD_ADDRESS, RECORD_FIELDS_SIZE, RECORD_SIZE } from "../../src/abi/instruction-record.js";
import { TEXTS_OF_A_FILE } from "../../src/host/matching.js";
import { compileMatch } from "../../src/match/compile.js";
import { type Expression, type Item, type Operand, parse } from "../../src/match/grammar.js";
import { MNEMONICS } from "../../src/match/mnemonics.js";
import { NAMES } from "../../src/match/names.js";
import { Random } from "../x86/random-code.js";

interface Compiled {
  readonly memory: WebAssembly.Memory;
  match(): number;
  mayMatch(): number;
}
function compile(text: string): Compiled {
  const { wasm } = compileMatch(text, TEXTS_OF_A_FILE);
  return new WebAssembly.Instance(new WebAssembly.Module(wasm)).exports as unknown as Compiled;
}

const CLASS_BITS =
  "jump cond call ret indirect syscall interrupt load store stack atomic string simd x87 nop lock rep vex evex pcrel block".split(
    " ",
  );
const HAS_BITS: Record<string, number> = { mem: 4, "mem.read": 16, "mem.write": 32, known: 128 };
const GENERAL = "rax rcx rdx rbx rsp rbp rsi rdi r8 r9 r10 r11 r12 r13 r14 r15".split(" ");
const FLAG_NAMES = "of sf zf af pf cf df".split(" ");
const TEXT_OFFSETS: Record<string, number> = {
  file: 0x70,
  function: 0x1080,
  "target.file": 0x1880,
  "target.function": 0x2890,
  asm: 0x3090,
};

/** A record, read as its drawing says. null: the value is not there. */
class Reader {
  private readonly view: DataView;
  constructor(private readonly bytes: Uint8Array) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset);
  }
  private has(bit: number): boolean {
    return (this.view.getUint32(0x34, true) & bit) !== 0;
  }
  condition(name: string): boolean | null {
    const bit = CLASS_BITS.indexOf(name);
    if (bit >= 0) return ((this.view.getUint32(0x30, true) >>> bit) & 1) === 1;
    return name in HAS_BITS ? this.has(HAS_BITS[name]!) : null;
  }
  number(name: string): bigint | null {
    const { view } = this;
    const unlessZero = (value: number): bigint | null => (value === 0 ? null : BigInt(value));
    switch (name) {
      case "size":
        return BigInt(view.getUint8(0x56));
      case "opcode":
        return BigInt(view.getUint32(0x38, true));
      case "width":
        return unlessZero(view.getUint16(0x54, true));
      case "mem.size":
        return unlessZero(view.getUint16(0x52, true));
      case "address":
        return view.getBigInt64(0x00, true);
      case "offset":
        return this.has(64) ? view.getBigInt64(0x08, true) : null;
      case "target":
        return this.has(1) ? view.getBigInt64(0x10, true) : null;
      case "mem.address":
        return this.has(8) ? view.getBigInt64(0x18, true) : null;
      case "mem.disp":
        return this.has(4) ? view.getBigInt64(0x20, true) : null;
      case "imm":
        return this.has(2) ? view.getBigInt64(0x28, true) : null;
      case "mem.scale":
        return this.has(4) ? BigInt(view.getUint8(0x5a)) : null;
      default:
        throw new Error(name);
    }
  }
  register(name: string): string | null {
    if (!this.has(4)) return null;
    if (name === "mem.segment") return ["none", "fs", "gs"][this.view.getUint8(0x5b)]!;
    const number = this.view.getUint8(name === "mem.base" ? 0x58 : 0x59);
    if (number === 0xff) return "none";
    return number === 0xfe ? "rip" : GENERAL[number]!;
  }
  contains(set: string, member: string): boolean {
    const flag = FLAG_NAMES.indexOf(member);
    if (flag >= 0) return ((this.view.getUint8(set === "flags.reads" ? 0x5c : 0x5d) >> flag) & 1) === 1;
    const at = set === "reads" ? 0 : 4;
    const [word, bit] = member.startsWith("xmm")
      ? [0x48 + at, Number(member.slice(3))]
      : [0x40 + at, GENERAL.indexOf(member)];
    return ((this.view.getUint32(word, true) >>> bit) & 1) === 1;
  }
  mnemonic(): string {
    return MNEMONICS[this.view.getUint16(0x50, true)]!;
  }
  text(name: string): string | null {
    if (name.startsWith("target") && !this.has(HAS_TARGET)) return null;
    const at = TEXT_OFFSETS[name]!;
    const length = this.view.getInt32(at + 4, true);
    return length < 0 ? null : Buffer.from(this.bytes.subarray(at + 8, at + 8 + length)).toString();
  }
}

const wrap = (value: bigint): bigint => BigInt.asIntN(64, value);
function evaluateNumber(operand: Operand, reader: Reader): bigint | null {
  switch (operand.kind) {
    case "number":
      return wrap(operand.value);
    case "name":
      return reader.number(operand.text);
    case "sum": {
      const [left, right] = [evaluateNumber(operand.left, reader), evaluateNumber(operand.right, reader)];
      if (left === null || right === null) return null;
      return wrap(operand.operator === "+" ? left + right : left - right);
    }
    case "string":
      throw new Error("a string is no number");
  }
}
const relate = <T>(relation: string, a: T, b: T): boolean =>
  ({ "==": a === b, "!=": a !== b, "<": a < b, "<=": a <= b, ">": a > b, ">=": a >= b })[relation]!;
const textOf = (operand: Operand): string => (operand.kind === "name" || operand.kind === "string" ? operand.text : "");

/** What the left side of == or in is, as text; null when it is not there, undefined when it is a number. */
function textValue(name: string, reader: Reader): string | null | undefined {
  const kind = NAMES.get(name)?.kind;
  if (kind === "mnemonic") return reader.mnemonic();
  if (kind === "register") return reader.register(name);
  return kind === "text" ? reader.text(name) : undefined;
}

function evaluateIn(operand: Operand, items: readonly Item[], isNegated: boolean, reader: Reader): boolean {
  const name = textOf(operand);
  if (GENERAL.includes(name) || FLAG_NAMES.includes(name) || name.startsWith("xmm")) {
    return items.some(({ low }) => reader.contains(textOf(low), name)) !== isNegated;
  }
  const text = operand.kind === "name" ? textValue(name, reader) : undefined;
  if (text === null) return false;
  if (text !== undefined) return items.some(({ low }) => textOf(low) === text) !== isNegated;
  const value = evaluateNumber(operand, reader);
  const bounds = items.map(
    ({ low, high }) => [evaluateNumber(low, reader), evaluateNumber(high ?? low, reader)] as const,
  );
  if (value === null || bounds.flat().includes(null)) return false;
  return bounds.some(([low, high]) => value >= low! && value <= high!) !== isNegated;
}

function evaluate(expression: Expression, reader: Reader): boolean {
  switch (expression.kind) {
    case "and":
      return evaluate(expression.left, reader) && evaluate(expression.right, reader);
    case "or":
      return evaluate(expression.left, reader) || evaluate(expression.right, reader);
    case "not":
      return !evaluate(expression.operand, reader);
    case "test": {
      const name = textOf(expression.operand);
      if (name === "all") return true;
      const condition = reader.condition(name);
      if (condition !== null) return condition;
      if (!NAMES.has(name)) return reader.mnemonic() === name;
      if (NAMES.get(name)!.kind === "register") return ![null, "none"].includes(reader.register(name));
      return NAMES.get(name)!.kind === "text" ? reader.text(name) !== null : reader.number(name) !== null;
    }
    case "compare": {
      const { relation, left, right } = expression;
      const text = left.kind === "name" ? textValue(left.text, reader) : undefined;
      if (text === null) return false;
      if (text !== undefined) return relate(relation, text, textOf(right));
      const values = [evaluateNumber(left, reader), evaluateNumber(right, reader)] as const;
      return values[0] !== null && values[1] !== null && relate(relation, values[0], values[1]);
    }
    case "in":
      return evaluateIn(expression.operand, expression.items, expression.isNegated, reader);
    case "search": {
      const { operand, pattern, how, isNegated } = expression;
      const text = textValue(textOf(operand), reader);
      if (text === null || text === undefined) return false;
      const found = how === "contains" ? text.includes(pattern.text) : new RegExp(pattern.text).test(text);
      return found !== isNegated;
    }
  }
}

const NUMBERS = [...NAMES].filter(([, { kind }]) => kind === "number").map(([name]) => name);
const ALWAYS = ["size", "opcode", "address"];
const CLASSES = [...NAMES].filter(([, { kind }]) => kind === "class").map(([name]) => name);
const SOME_MNEMONICS = ["add", "mov", "je", "vpaddd", "xchg", "fsin"];
/** No names of functions that a name of the language is, no file that another path has for its last part. */
const TEXTS = ["main", "read", "abc", "aab", "/x/y"];

function randomNumber(random: Random, depth: number): string {
  const kind = random.below(depth > 0 ? 4 : 3);
  if (kind === 0) return String(random.below(20));
  if (kind === 1) return random.pick(NUMBERS);
  if (kind === 2) return `-0x${random.below(40).toString(16)}`;
  return `${randomNumber(random, depth - 1)} ${random.pick(["+", "-"])} ${randomNumber(random, depth - 1)}`;
}
const randomList = (random: Random, item: () => string): string =>
  `{${Array.from({ length: 1 + random.below(4) }, item).join(", ")}}`;

function randomTest(random: Random): string {
  const equality = random.pick(["==", "!="]);
  const among = random.pick(["in", "not in"]);
  switch (random.below(12)) {
    case 0:
      return random.pick([...CLASSES, "all"]);
    case 1:
      return random.pick(SOME_MNEMONICS);
    case 2:
      return random.pick([
        ...NUMBERS.filter((name) => !ALWAYS.includes(name)),
        "mem.base",
        "mem.index",
        "function",
        "asm",
      ]);
    case 3:
      return `${randomNumber(random, 2)} ${random.pick(["==", "!=", "<", "<=", ">", ">="])} ${randomNumber(random, 2)}`;
    case 4: {
      const low = random.below(20);
      const item = (): string => random.pick([String(random.below(20)), `${low}..${low + random.below(9)}`, "size"]);
      return `${random.pick(NUMBERS)} ${among} ${randomList(random, item)}`;
    }
    case 5:
      return `${random.pick(["mem.base", "mem.index"])} ${equality} ${random.pick([...GENERAL, "none"])}`;
    case 6:
      return `mem.base ${among} ${randomList(random, () => random.pick(["rsp", "rbp", "none", "rip"]))}`;
    case 7:
      return random.pick([
        `${random.pick(GENERAL)} ${among} {reads, writes}`,
        `xmm7 ${among} writes`,
        `zf ${among} flags.reads`,
      ]);
    case 8:
      return `mnemonic ${equality} ${random.pick(SOME_MNEMONICS)}`;
    case 9:
      return `mnemonic ${among} ${randomList(random, () => random.pick([...SOME_MNEMONICS, "and", "or"]))}`;
    case 10:
      return `${random.pick(["function", "target.function", "file", "asm"])} ${among} ${randomList(random, () => `"${random.pick(TEXTS)}"`)}`;
    default:
      return `${random.pick(["function", "asm", "target.file"])} ${random.pick(["~", "!~", "contains"])} "${random.pick(["a", "ab", "b", "x"])}"`;
  }
}
function randomExpression(random: Random, depth: number): string {
  const kind = random.below(depth > 0 ? 5 : 1);
  if (kind <= 1) return randomTest(random);
  if (kind === 2) return `not (${randomExpression(random, depth - 1)})`;
  const operator = kind === 3 ? "and" : "or";
  return `(${randomExpression(random, depth - 1)}) ${operator} ${random.pick(["", "not "])}(${randomExpression(random, depth - 1)})`;
}

function randomRecord(random: Random, bytes: Uint8Array, round: number): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  for (let i = 0; i < RECORD_FIELDS_SIZE; i++) bytes[i] = random.below(256);
  // Small numbers, so that comparisons hold now and then.
  for (const at of [0x00, 0x08, 0x10, 0x18, 0x20, 0x28]) view.setBigInt64(at, BigInt(random.below(40) - 15), true);
  view.setUint32(0x38, random.below(20), true);
  view.setUint16(
    0x50,
    random.oneIn(2) ? MNEMONICS.indexOf(random.pick(SOME_MNEMONICS)) : random.below(MNEMONICS.length),
    true,
  );
  view.setUint16(0x52, random.below(4), true);
  view.setUint16(0x54, random.below(4), true);
  bytes[0x56] = 1 + random.below(15);
  bytes[0x58] = random.pick([0xff, 0xfe, random.below(16), 4]);
  bytes[0x59] = random.pick([0xff, random.below(16)]);
  bytes[0x5b] = random.below(3);
  for (const at of Object.values(TEXT_OFFSETS)) {
    const which = random.below(TEXTS.length + 1);
    const text = Buffer.from(TEXTS[which] ?? "");
    // The same number, other than 0, for the same text.
    view.setUint32(at, random.oneIn(3) ? 0 : which + 1, true);
    view.setInt32(at + 4, which === TEXTS.length ? -1 : text.length, true);
    bytes.set(text, at + 8);
  }
  assert.ok(round >= 0);
}

test("random expressions mean what their syntax tree says", () => {
  const seed = Number(process.env["FLICKER_FUZZ_SEED"] ?? 7);
  const random = new Random(seed);
  let matched = 0;
  const rounds = 1500;
  for (let round = 0; round < rounds; round++) {
    const text = randomExpression(random, 3);
    const tree = parse(text);
    const compiled = compile(text);
    const record = new Uint8Array(compiled.memory.buffer, RECORD_ADDRESS, RECORD_SIZE);
    for (let i = 0; i < 20; i++) {
      randomRecord(random, record, i);
      const expected = evaluate(tree, new Reader(record));
      assert.equal(compiled.match(), expected ? 1 : 0, `seed ${seed}, round ${round}.${i}: ${text}`);
      assert.ok(compiled.mayMatch() === 1 || !expected, `mayMatch, seed ${seed}, round ${round}.${i}: ${text}`);
      if (expected) matched++;
    }
  }
  assert.ok(matched > rounds && matched < 19 * rounds, `${matched} matched: the records are too uniform`);
});

test("precedence: not before and before or", () => {
  const kinds = (text: string): unknown => {
    const walk = (e: Expression): unknown =>
      e.kind === "and" || e.kind === "or"
        ? [e.kind, walk(e.left), walk(e.right)]
        : e.kind === "not"
          ? ["not", walk(e.operand)]
          : "t";
    return walk(parse(text));
  };
  assert.deepEqual(kinds("load or store and not stack"), ["or", "t", ["and", "t", ["not", "t"]]]);
  assert.deepEqual(kinds("(load or store) and stack"), ["and", ["or", "t", "t"], "t"]);
  assert.deepEqual(kinds("not load == 1"), ["not", "t"]);
});

test("spellings that mean the same compile to the same", () => {
  const same: string[][] = [
    ["load and not store or jump", "load && !store || jump", "((load) and (not (store))) or (jump)"],
    ["size == 2", "size = 2", "size eq 2", "size == 0x2", "size==0b10"],
    ["size >= 2", "size ge 2"],
    ["mem.base == rsp", "mem.base == %rsp"],
    ["je", "jz", "JZ", "mnemonic == je", 'mnemonic == "jz"', "mnemonic in {je}"],
    ["mnemonic in {setb, setae}", "mnemonic in {setc, setnc}"],
    ['asm ~ "cmp"', 'asm =~ "cmp"', 'asm matches "cmp"', "asm ~ /cmp/", "asm ~ 'cmp'"],
    ["function == main", 'function == "main"', "function in {main}", "function in main"],
    ["call and target in libc", "call and target.file == libc", 'call and target in {"libc"}'],
    ["size not in {1, 2}", "size not in { 1 , 2 }"],
  ];
  for (const [first, ...others] of same) {
    const wasm = (text: string): string => Buffer.from(compileMatch(text, TEXTS_OF_A_FILE).wasm).toString("hex");
    for (const other of others) assert.equal(wasm(other), wasm(first!), `${first} and ${other}`);
  }
});

test("files are named by their path, their last part, or without .so and version", () => {
  const path = "/lib/x86_64-linux-gnu/libc.so.6";
  const cases: [string, string, boolean][] = [
    ["libc", path, true],
    ["libc.so.6", path, true],
    [path, path, true],
    ["libc", "/lib/libc-2.31.so", true],
    ["lib", path, false],
    ["libc.so", path, false],
    ["c", path, false],
    ["/libc.so.6", path, false],
    ["bash", "/usr/bin/bash", true],
    ["python3", "/usr/bin/python3.11", false],
    ["libstdc++", "/lib/libstdc++.so.6.0.30", true],
  ];
  for (const [name, file, expected] of cases) {
    const compiled = compile(`file == "${name}"`);
    const view = new DataView(compiled.memory.buffer);
    view.setInt32(RECORD_ADDRESS + 0x74, file.length, true);
    new Uint8Array(compiled.memory.buffer).set(Buffer.from(file), RECORD_ADDRESS + 0x78);
    assert.equal(compiled.match() === 1, expected, `${name} ${file}`);
  }
});

test("needs: what an expression does not look at is not asked for", () => {
  const needs = (text: string): number => compileMatch(text, TEXTS_OF_A_FILE).needs.bits;
  assert.deepEqual(
    ["jump and size == 2", "add", "store", "add and store", "file == a", "function", "call and target in a", "asm"].map(
      needs,
    ),
    [0, 1, 2, 3, 4, 8, 16, 64],
  );
  const { wasm } = compileMatch("add and store");
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(wasm));
  assert.equal((exports["needs"] as WebAssembly.Global).value, 3);
  assert.equal((exports["record"] as WebAssembly.Global).value, RECORD_ADDRESS);
});
