// Condition -> wasm. The module has the record of the instruction (src/abi/instruction-record.ts) in its own memory and exports
//
//   match() -> i32      1 when the instruction in the record is wanted, else 0
//   mayMatch() -> i32   0 when no text could make it wanted: whoever fills the record asks this first, and gets texts only then
//   needs, record       constant globals: NEEDS_ bits of the groups that match looks at; RECORD_ADDRESS
//   memory
//
// Each different question about a text is a function: its automaton runs over the bytes, and the answer is remembered for the
// number of the text, so that the path of a file is looked at once and not for each of its instructions.
//
//   memory   64       the record
//            RECORD   memos: u32 number of a text, u32 answer
//            ...      tables: of automata (256 columns, then u16 next states), and sets of mnemonics, one bit each

import {
  RECORD_ADDRESS,
  RECORD_MNEMONIC,
  RECORD_SIZE,
  TEXT_BYTES,
  TEXT_LENGTH,
  TEXT_NUMBER,
} from "../abi/instruction-record.js";
import { type Automaton, STATE_ALL } from "./automaton.js";
import type { Condition, TextQuestion, Value } from "./condition.js";
import type { Relation } from "./grammar.js";
import { MNEMONICS } from "./mnemonics.js";
import { TEXTS } from "./names.js";
import { signed, unsigned, type WrittenData, type WrittenFunction, writeModule } from "./wasm-writer.js";

const BLOCK = 0x02;
const LOOP = 0x03;
const IF = 0x04;
const ELSE = 0x05;
const END = 0x0b;
const BR = 0x0c;
const BR_IF = 0x0d;
const RETURN = 0x0f;
const CALL = 0x10;
const LOCAL_GET = 0x20;
const LOCAL_SET = 0x21;
const LOCAL_TEE = 0x22;
const I32_LOAD = 0x28;
const I64_LOAD = 0x29;
const I32_LOAD8_U = 0x2d;
const I32_LOAD16_U = 0x2f;
const I64_LOAD8_U = 0x31;
const I64_LOAD16_U = 0x33;
const I64_LOAD32_U = 0x35;
const I32_STORE = 0x36;
const I32_CONST = 0x41;
const I64_CONST = 0x42;
const I32_EQZ = 0x45;
const I32_EQ = 0x46;
const I32_NE = 0x47;
const I32_LT_S = 0x48;
const I32_GE_S = 0x4e;
const I32_GE_U = 0x4f;
const I32_LE_U = 0x4d;
const I64_RELATIONS: Readonly<Record<Relation, number>> = {
  "==": 0x51,
  "!=": 0x52,
  "<": 0x53,
  ">": 0x55,
  "<=": 0x57,
  ">=": 0x59,
};
const I32_ADD = 0x6a;
const I32_MUL = 0x6c;
const I32_AND = 0x71;
const I32_SHL = 0x74;
const I32_SHR_U = 0x76;
const I64_ADD = 0x7c;
const I64_SUB = 0x7d;
const TYPE_I32 = 0x7f;
const TYPE_NONE = 0x40;

/** Answers of a question about a text. */
const TEXT_ABSENT = 0;
const TEXT_REFUSED = 1;
const TEXT_ACCEPTED = 2;
const MEMO_SIZE = 8;

const i32 = (value: number): number[] => [I32_CONST, ...signed(value | 0)];
/** A load or store `at` the address on the stack plus an offset, aligned or not. */
const access = (opcode: number, offset: number): number[] => [opcode, 0, ...unsigned(offset)];
/** A load from a constant address. */
const loadAt = (opcode: number, address: number): number[] => [...i32(0), ...access(opcode, address)];
const fieldAt = (offset: number): number => RECORD_ADDRESS + offset;

class Emitter {
  private readonly data: WrittenData[] = [];
  private readonly questions: TextQuestion[] = [];
  private memory = RECORD_ADDRESS + RECORD_SIZE;
  private readonly memos: number[] = [];
  private readonly tables = new Map<object, number>();

  constructor(
    private readonly condition: Condition,
    private readonly needs: number,
  ) {}

  module(): Uint8Array<ArrayBuffer> {
    const match = this.code(this.condition);
    const mayMatch = this.possible(this.condition, true);
    const functions: WrittenFunction[] = [
      { exported: "match", locals: 0, code: match },
      { exported: "mayMatch", locals: 0, code: mayMatch },
      ...this.questions.map((question, i) => this.textFunction(question, this.memos[i]!)),
    ];
    const globals = [["needs", this.needs] as const, ["record", RECORD_ADDRESS] as const];
    return writeModule(functions, globals, this.data, this.memory);
  }

  private reserve(size: number): number {
    this.memory = (this.memory + 7) & ~7;
    const address = this.memory;
    this.memory += size;
    return address;
  }

  private table(bytes: Uint8Array): number {
    const address = this.reserve(bytes.length);
    this.data.push({ address, bytes });
    return address;
  }

  /** Code that leaves 1 or 0. */
  private code(condition: Condition): number[] {
    switch (condition.kind) {
      case "constant":
        return i32(condition.value ? 1 : 0);
      case "not":
        return [...this.code(condition.part), I32_EQZ];
      case "and":
      case "or":
        return this.chain(condition.kind, condition.parts, (part) => this.code(part));
      case "bits":
        return this.bits(condition.offset, condition.size, condition.mask);
      case "compare":
        return [...this.value(condition.left), ...this.value(condition.right), I64_RELATIONS[condition.relation]];
      case "mnemonic":
        return this.mnemonic(condition.numbers);
      case "text":
        return this.text(condition.question, condition.isNegated);
    }
  }

  /** Short-circuits: `a and b` is `if a then b else 0`. */
  private chain(kind: "and" | "or", parts: readonly Condition[], code: (part: Condition) => number[]): number[] {
    const [first, ...rest] = parts;
    if (rest.length === 0) return code(first!);
    const others = this.chain(kind, rest, code);
    const [whenTrue, whenFalse] = kind === "and" ? [others, i32(0)] : [i32(1), others];
    return [...code(first!), IF, TYPE_I32, ...whenTrue, ELSE, ...whenFalse, END];
  }

  /**
   * What can be said without texts: 0 when no text makes the condition `wanted`, else 1; for the opposite the other way round.
   */
  private possible(condition: Condition, wanted: boolean): number[] {
    switch (condition.kind) {
      case "text":
        return i32(wanted ? 1 : 0);
      case "not":
        return [...this.possible(condition.part, !wanted), I32_EQZ];
      case "and":
      case "or":
        return this.chain(condition.kind, condition.parts, (part) => this.possible(part, wanted));
      default:
        return this.code(condition);
    }
  }

  private bits(offset: number, size: 1 | 2 | 4, mask: number): number[] {
    const load = { 1: I32_LOAD8_U, 2: I32_LOAD16_U, 4: I32_LOAD }[size];
    return [...loadAt(load, fieldAt(offset)), ...i32(mask), I32_AND, ...i32(0), I32_NE];
  }

  /** Code that leaves an i64. */
  private value(value: Value): number[] {
    switch (value.kind) {
      case "constant":
        return [I64_CONST, ...signed(value.value)];
      case "field": {
        const load = { 1: I64_LOAD8_U, 2: I64_LOAD16_U, 4: I64_LOAD32_U, 8: I64_LOAD }[value.size];
        return loadAt(load, fieldAt(value.offset));
      }
      case "sum":
        return [...this.value(value.left), ...this.value(value.right), value.operator === "+" ? I64_ADD : I64_SUB];
    }
  }

  private mnemonic(numbers: ReadonlySet<number>): number[] {
    const number = loadAt(I32_LOAD16_U, fieldAt(RECORD_MNEMONIC));
    const [only] = numbers;
    if (numbers.size === 1) return [...number, ...i32(only!), I32_EQ];
    let table = this.tables.get(numbers);
    if (table === undefined) {
      const bits = new Uint8Array((MNEMONICS.length + 7) >> 3);
      for (const each of numbers) bits[each >> 3]! |= 1 << (each & 7);
      table = this.table(bits);
      this.tables.set(numbers, table);
    }
    const byte = [...number, ...i32(3), I32_SHR_U, ...access(I32_LOAD8_U, table)];
    return [...byte, ...number, ...i32(7), I32_AND, I32_SHR_U, ...i32(1), I32_AND];
  }

  private text(question: TextQuestion, isNegated: boolean): number[] {
    let index = this.questions.indexOf(question);
    if (index < 0) {
      index = this.questions.push(question) - 1;
      this.memos.push(this.reserve(MEMO_SIZE));
    }
    // match and mayMatch come first.
    const answer = [CALL, ...unsigned(2 + index)];
    if (question.automaton === null) return [...answer, ...i32(TEXT_ABSENT), I32_NE];
    return [...answer, ...i32(isNegated ? TEXT_REFUSED : TEXT_ACCEPTED), I32_EQ];
  }

  /** A question's function: an answer that is remembered, or one that is looked for and remembered. */
  private textFunction({ field, automaton }: TextQuestion, memo: number): WrittenFunction {
    const text = fieldAt(TEXTS[field].offset);
    const [number, answer] = [0, 1];
    const length = loadAt(I32_LOAD, text + TEXT_LENGTH);
    const look = automaton === null ? i32(TEXT_ACCEPTED) : this.run(automaton, text, { at: 2, state: 3, length: 4 });
    const code = [
      ...[...length, ...i32(0), I32_LT_S, IF, TYPE_NONE, ...i32(TEXT_ABSENT), RETURN, END],
      ...[...loadAt(I32_LOAD, text + TEXT_NUMBER), LOCAL_TEE, number, ...loadAt(I32_LOAD, memo), I32_EQ],
      ...[LOCAL_GET, number, ...i32(0), I32_NE, I32_AND],
      ...[IF, TYPE_NONE, ...loadAt(I32_LOAD, memo + 4), RETURN, END],
      ...[...look, LOCAL_SET, answer],
      ...[...i32(0), LOCAL_GET, answer, ...access(I32_STORE, memo + 4)],
      ...[...i32(0), LOCAL_GET, number, ...access(I32_STORE, memo)],
      ...[LOCAL_GET, answer],
    ];
    return { exported: null, locals: automaton === null ? 2 : 5, code };
  }

  /** Code that runs an automaton over a text and leaves the answer. */
  private run(
    { start, columns, columnCount, next, firstAccepting }: Automaton,
    text: number,
    local: { readonly at: number; readonly state: number; readonly length: number },
  ): number[] {
    const columnTable = this.table(columns);
    const nextTable = this.table(new Uint8Array(Uint16Array.from(next).buffer));
    const get = (index: number): number[] => [LOCAL_GET, index];
    const column = [...get(local.at), ...access(I32_LOAD8_U, text + TEXT_BYTES), ...access(I32_LOAD8_U, columnTable)];
    const cell = [...get(local.state), ...i32(columnCount), I32_MUL, ...column, I32_ADD, ...i32(1), I32_SHL];
    return [
      ...[...loadAt(I32_LOAD, text + TEXT_LENGTH), LOCAL_SET, local.length],
      ...[...i32(0), LOCAL_SET, local.at],
      ...[...i32(start), LOCAL_SET, local.state],
      ...[BLOCK, TYPE_NONE, LOOP, TYPE_NONE],
      ...[...get(local.at), ...get(local.length), I32_GE_S, BR_IF, 1],
      ...[...get(local.state), ...i32(STATE_ALL), I32_LE_U, BR_IF, 1],
      ...[...cell, ...access(I32_LOAD16_U, nextTable), LOCAL_SET, local.state],
      ...[...get(local.at), ...i32(1), I32_ADD, LOCAL_SET, local.at],
      ...[BR, 0, END, END],
      // TEXT_ACCEPTED or TEXT_REFUSED, which is one less.
      ...[...get(local.state), ...i32(STATE_ALL), I32_EQ, ...get(local.state), ...i32(firstAccepting), I32_GE_U],
      ...[IF, TYPE_I32, ...i32(1), ELSE, ...i32(0), END, I32_ADD, ...i32(0), I32_NE],
      ...[...i32(TEXT_REFUSED), I32_ADD],
    ];
  }
}

/** The wasm module of a condition. */
export function emit(condition: Condition, needs: number): Uint8Array<ArrayBuffer> {
  return new Emitter(condition, needs).module();
}
