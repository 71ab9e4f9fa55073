// What the names and operators of an expression mean: syntax tree -> condition, or an error at the place that is wrong.

import { CLASS_STRING, HAS_MEMORY, RECORD_CLASSES, RECORD_HAS } from "../abi/instruction-record.js";
import {
  accepts,
  type Automaton,
  compileAny,
  compilePattern,
  compileSubstring,
  escapePattern,
  PatternError,
} from "./automaton.js";
import { allOf, anyOf, type Condition, type Value } from "./condition.js";
import { MatchError, suggest } from "./error.js";
import { type Expression, type Item, type Operand, parse, type Pattern, type Relation, type Span } from "./grammar.js";
import { MNEMONICS } from "./mnemonics.js";
import {
  GENERAL_REGISTERS,
  mnemonicNamed,
  mnemonicNames,
  NAMES,
  type Name,
  type NumberName,
  type RegisterName,
  type SetName,
  TEXTS,
  type TextField,
} from "./names.js";

/** An expression that has been understood. */
export interface Checked {
  readonly condition: Condition;
  /** NEEDS_ bits of everything it looks at. */
  readonly needs: number;
}

/** Names of parts of general registers, which the facts do not tell apart. */
const PARTS = new Map<string, string>([
  ...["ax", "cx", "dx", "bx"].flatMap((part): [string, string][] =>
    [`e${part}`, part, `${part[0]}l`, `${part[0]}h`].map((name) => [name, `r${part}`]),
  ),
  ...["sp", "bp", "si", "di"].flatMap((part): [string, string][] =>
    [`e${part}`, part, `${part}l`].map((name) => [name, `r${part}`]),
  ),
  ...GENERAL_REGISTERS.slice(8).flatMap((name): [string, string][] =>
    ["d", "w", "b"].map((size) => [name + size, name]),
  ),
]);

const has = (mask: number): Condition => ({ kind: "bits", offset: RECORD_HAS, size: 4, mask });
const constant = (value: number | bigint): Value => ({ kind: "constant", value: BigInt(value) });
const field = ({ offset, size }: { offset: number; size: 1 | 2 | 4 | 8 }): Value => ({ kind: "field", offset, size });
const compare = (relation: Relation, left: Value, right: Value): Condition => ({
  kind: "compare",
  relation,
  left,
  right,
});
const bare = (text: string): string => text.replace(/^%/, "");

/** A register or flag as a comparison's left side, `in` a set. */
interface Member {
  readonly name: string;
}

type Meaning =
  | { readonly kind: "name"; readonly text: string; readonly name: Name }
  | { readonly kind: "boolean"; readonly value: boolean }
  | { readonly kind: "mnemonic"; readonly condition: Condition }
  | ({ readonly kind: "member" } & Member);

class Checker {
  needs = 0;
  private readonly texts: ReadonlySet<TextField>;

  constructor(
    private readonly text: string,
    texts: Iterable<TextField>,
  ) {
    this.texts = new Set(texts);
  }

  private fail(reason: string, { start, end }: Span): never {
    throw new MatchError(reason, this.text, start, end);
  }

  private source({ start, end }: Span): string {
    return this.text.slice(start, end);
  }

  private use(name: Name, at: Span): Name {
    this.needs |= name.needs;
    if (name.kind === "text" && !this.texts.has(name.text)) {
      const reasons: Readonly<Record<TextField, string>> = {
        asm: "asm is text that only flicker inspect makes: in a running program there is no disassembler",
        file: "file is not known here",
        function: "function is not known here",
        "target.file": "target.file is not known here",
        "target.function": "target.function is not known here",
      };
      this.fail(reasons[name.text], at);
    }
    return name;
  }

  condition(expression: Expression): Condition {
    switch (expression.kind) {
      case "and":
        return allOf([this.condition(expression.left), this.condition(expression.right)]);
      case "or":
        return anyOf([this.condition(expression.left), this.condition(expression.right)]);
      case "not":
        return { kind: "not", part: this.condition(expression.operand) };
      case "test":
        return this.test(expression.operand);
      case "compare":
        return this.comparison(expression);
      case "in":
        return this.membership(expression);
      case "search":
        return this.search(expression);
    }
  }

  /** What a name is by itself; null when it is nothing. */
  private meaningOf(text: string): Meaning | null {
    const name = NAMES.get(text);
    if (name !== undefined) return { kind: "name", text, name };
    if (text === "all" || text === "true") return { kind: "boolean", value: true };
    if (text === "false") return { kind: "boolean", value: false };
    const member = bare(text);
    for (const [, { kind, ...rest }] of NAMES) {
      if (kind === "set" && (rest as unknown as SetName).members.has(member)) return { kind: "member", name: member };
    }
    const mnemonic = this.mnemonic(text);
    return mnemonic === null ? null : { kind: "mnemonic", condition: mnemonic };
  }

  private mnemonic(text: string): Condition | null {
    const found = mnemonicNamed(text);
    if (found === null) return null;
    const isOne: Condition = { kind: "mnemonic", numbers: new Set(found.numbers) };
    return found.isString
      ? allOf([{ kind: "bits", offset: RECORD_CLASSES, size: 4, mask: CLASS_STRING }, isOne])
      : isOne;
  }

  private unknown(text: string, at: Span): never {
    this.fail(`no name ${text}${this.hintFor(text)}`, at);
  }

  private hintFor(text: string): string {
    const part = PARTS.get(bare(text));
    if (part !== undefined) return `: ${part} stands for all its parts`;
    if (text === "fs" || text === "gs") return `: write mem.segment == ${text}`;
    const [, stem = "", suffix = ""] = /^(\w+)([bwlq])$/.exec(text) ?? [];
    if (mnemonicNamed(stem) !== null) {
      return `: mnemonics are Intel's, without a size; write ${stem} and width == ${{ b: 1, w: 2, l: 4, q: 8 }[suffix]}`;
    }
    return suggest(text, [...NAMES.keys(), "all", "none", ...GENERAL_REGISTERS, ...mnemonicNames()]);
  }

  /** An operand alone: a class, a mnemonic, or whether a value is there. */
  private test(operand: Operand): Condition {
    if (operand.kind !== "name")
      this.fail(`${this.source(operand)} is no condition: compare it with something`, operand);
    const meaning = this.meaningOf(operand.text);
    switch (meaning?.kind) {
      case "boolean":
        return { kind: "constant", value: meaning.value };
      case "mnemonic":
        this.use(NAMES.get("mnemonic")!, operand);
        return meaning.condition;
      case "member":
        return this.fail(`${meaning.name} is no condition: write ${meaning.name} in reads, or in writes`, operand);
      case "name":
        return this.testName(operand.text, this.use(meaning.name, operand), operand);
      case undefined:
        return this.unknown(operand.text, operand);
    }
  }

  private testName(text: string, name: Name, at: Span): Condition {
    switch (name.kind) {
      case "class":
        return { kind: "bits", offset: name.offset, size: 4, mask: name.mask };
      case "text":
        return this.textCondition(name.text, null, false);
      case "register":
        return allOf([has(HAS_MEMORY), compare("!=", field({ offset: name.offset, size: 1 }), constant(name.none))]);
      case "number": {
        const present = this.presence(name);
        if (present.length > 0) return allOf(present);
        return this.fail(`${text} is a number: compare it, as in ${text} > 4`, at);
      }
      case "set":
        return this.fail(`${text} is a set: write ${text.startsWith("flags") ? "zf" : "rax"} in ${text}`, at);
      case "mnemonic":
        return this.fail("every instruction has a mnemonic: compare it, or write the mnemonic alone", at);
    }
  }

  private presence({ offset, size, has: bit, isZeroUnknown }: NumberName): Condition[] {
    const found: Condition[] = bit === 0 ? [] : [has(bit)];
    if (isZeroUnknown) found.push(compare("!=", field({ offset, size }), constant(0)));
    return found;
  }

  /** The name that an operand is, where it decides what the other side may be. */
  private nameOf(operand: Operand): { text: string; name: Name } | null {
    if (operand.kind !== "name") return null;
    const name = NAMES.get(operand.text);
    return name === undefined ? null : { text: operand.text, name: this.use(name, operand) };
  }

  private comparison({ relation, left, right }: Expression & { kind: "compare" }): Condition {
    const named = this.nameOf(left);
    switch (named?.name.kind) {
      case "mnemonic":
      case "text":
      case "register": {
        if (relation !== "==" && relation !== "!=") {
          this.fail(`${named.text} has no order: ${relation} is for numbers`, left);
        }
        const item: Item = { low: right, high: null, start: right.start, end: right.end };
        return this.among(named.text, named.name, [item], relation === "!=");
      }
      case "class":
        return this.fail(`${named.text} holds or does not: write ${named.text}, or not ${named.text}`, left);
      case "set":
        return this.fail(`${named.text} is a set: write ${this.source(right)} in ${named.text}`, left);
      case "number":
      case undefined:
    }
    const present: Condition[] = [];
    const values = [this.value(left, present), this.value(right, present)] as const;
    return allOf([...present, compare(relation, ...values)]);
  }

  /** A sum of numbers; adds to `present` what has to be there. */
  private value(operand: Operand, present: Condition[]): Value {
    switch (operand.kind) {
      case "number":
        return constant(BigInt.asIntN(64, operand.value));
      case "string":
        return this.fail("a text is no number", operand);
      case "name":
        return this.namedValue(operand.text, operand, present);
      case "sum": {
        const left = this.value(operand.left, present);
        return { kind: "sum", operator: operand.operator, left, right: this.value(operand.right, present) };
      }
    }
  }

  private namedValue(text: string, at: Span, present: Condition[]): Value {
    const meaning = this.meaningOf(text);
    if (meaning === null) {
      const hint = /^[0-9a-fA-F]+$/.test(text) ? `: hexadecimal is 0x${text}` : this.hintFor(text);
      this.fail(`no number ${text}${hint}`, at);
    }
    if (meaning.kind !== "name" || meaning.name.kind !== "number") {
      const hint =
        meaning.kind === "member" ? `: registers are compared with mem.base and its kin, or are in reads, writes` : "";
      this.fail(`${text} is no number${hint}`, at);
    }
    present.push(...this.presence(meaning.name));
    this.use(meaning.name, at);
    return field(meaning.name);
  }

  private membership({ operand, items, isNegated }: Expression & { kind: "in" }): Condition {
    const named = this.nameOf(operand);
    if (
      named !== null &&
      (named.name.kind === "mnemonic" || named.name.kind === "text" || named.name.kind === "register")
    ) {
      return this.among(named.text, named.name, items, isNegated);
    }
    if (named?.name.kind === "class" || named?.name.kind === "set") {
      this.fail(`${named.text} cannot be in something`, operand);
    }
    if (named === null && operand.kind === "name") {
      const meaning = this.meaningOf(operand.text);
      if (meaning === null) this.unknown(operand.text, operand);
      if (meaning.kind === "member") return this.memberOf(meaning, items, isNegated);
    }
    const inFile = named === null ? null : this.placeInFile(named.text, items, isNegated, operand);
    return inFile ?? this.inRanges(operand, items, isNegated);
  }

  /** `rax in writes`. */
  private memberOf({ name }: Member, items: readonly Item[], isNegated: boolean): Condition {
    const found = items.map((item): Condition => {
      const named = item.high === null ? this.nameOf(item.low) : null;
      if (named?.name.kind !== "set") this.fail("reads, writes, flags.reads or flags.writes is wanted here", item);
      const member = named.name.members.get(name);
      if (member === undefined) {
        this.fail(
          `${named.text} has no ${name}, but ${[...named.name.members.keys()].slice(0, 4).join(", ")}...`,
          item,
        );
      }
      return { kind: "bits", offset: member.offset, size: member.size, mask: 2 ** member.bit };
    });
    const condition = anyOf(found);
    return isNegated ? { kind: "not", part: condition } : condition;
  }

  /** `target in libc`, `address in "libc.so.6"`: the file that an address is in; null when the set holds numbers. */
  private placeInFile(text: string, items: readonly Item[], isNegated: boolean, at: Span): Condition | null {
    if (text !== "target" && text !== "address") return null;
    const isFile = ({ low, high }: Item): boolean =>
      high === null && (low.kind === "string" || (low.kind === "name" && !NAMES.has(low.text)));
    if (!items.some(isFile)) return null;
    const wrong = items.find((item) => !isFile(item));
    if (wrong !== undefined) this.fail("a set holds addresses or files, not both", wrong);
    const fieldName = text === "target" ? "target.file" : "file";
    return this.among(fieldName, this.use(NAMES.get(fieldName)!, at), items, isNegated);
  }

  private inRanges(operand: Operand, items: readonly Item[], isNegated: boolean): Condition {
    const present: Condition[] = [];
    const value = this.value(operand, present);
    const found = items.map(({ low, high }) => {
      const first = this.value(low, present);
      if (high === null) return compare("==", value, first);
      const last = this.value(high, present);
      if (first.kind === "constant" && last.kind === "constant" && first.value > last.value) {
        this.fail("the range ends before it starts", { start: low.start, end: high.end });
      }
      return allOf([compare(">=", value, first), compare("<=", value, last)]);
    });
    const condition = anyOf(found);
    return allOf([...present, isNegated ? { kind: "not", part: condition } : condition]);
  }

  /** A mnemonic, text or register that is one of some values. */
  private among(text: string, name: Name, items: readonly Item[], isNegated: boolean): Condition {
    const range = items.find(({ high }) => high !== null);
    if (range !== undefined) this.fail(`${text} has no order: there is no range of them`, range);
    const values = items.map(({ low }) => low);
    if (name.kind === "text") return this.textAmong(name.text, values, isNegated);
    if (name.kind === "register") return this.registerAmong(text, name, values, isNegated);
    const condition = this.mnemonicAmong(values);
    return isNegated ? { kind: "not", part: condition } : condition;
  }

  private mnemonicAmong(values: readonly Operand[]): Condition {
    const numbers = new Set<number>();
    const others: Condition[] = [];
    for (const value of values) {
      if (value.kind !== "name" && value.kind !== "string") this.fail("a mnemonic is wanted here", value);
      const condition = this.mnemonic(value.text);
      if (condition === null) {
        const [, stem = "", suffix = ""] = /^(\w+)([bwlq])$/.exec(value.text) ?? [];
        const hint = mnemonicNamed(stem) === null ? suggest(value.text, mnemonicNames()) : this.hintFor(stem + suffix);
        this.fail(`no mnemonic ${value.text}${hint}`, value);
      }
      if (condition.kind === "mnemonic") condition.numbers.forEach((number) => numbers.add(number));
      else others.push(condition);
    }
    return anyOf(numbers.size > 0 ? [{ kind: "mnemonic", numbers }, ...others] : others);
  }

  private registerAmong(text: string, name: RegisterName, values: readonly Operand[], isNegated: boolean): Condition {
    const found = values.map((value) => {
      const register = value.kind === "name" ? bare(value.text) : "";
      const number = register === "none" ? name.none : name.values.get(register);
      if (number === undefined) {
        const part = PARTS.get(register);
        const hint =
          part === undefined
            ? suggest(register, [...name.values.keys(), "none"])
            : `; ${part} stands for all its parts`;
        this.fail(
          `${text} can be ${[...name.values.keys()].slice(0, 2).join(", ")}... or none, not ${this.source(value)}${hint}`,
          value,
        );
      }
      return compare("==", field({ offset: name.offset, size: 1 }), constant(number));
    });
    const condition = anyOf(found);
    return allOf([has(HAS_MEMORY), isNegated ? { kind: "not", part: condition } : condition]);
  }

  private textAmong(text: TextField, values: readonly Operand[], isNegated: boolean): Condition {
    const isFile = text === "file" || text === "target.file";
    const patterns = values.map((value) => {
      if (value.kind !== "name" && value.kind !== "string")
        this.fail(`a text is wanted here, as in ${text} == "..."`, value);
      const wanted = value.kind === "string" ? unescape(value.text) : value.text;
      return isFile ? filePattern(wanted) : `^${escapePattern(wanted)}$`;
    });
    return this.textCondition(
      text,
      this.compiling(() => compileAny(patterns), null),
      isNegated,
    );
  }

  private textCondition(text: TextField, automaton: Automaton | null, isNegated: boolean): Condition {
    const { has: bit } = TEXTS[text];
    const condition: Condition = { kind: "text", question: { field: text, automaton }, isNegated };
    return bit === 0 ? condition : allOf([has(bit), condition]);
  }

  private search({ operand, pattern, how, isNegated }: Expression & { kind: "search" }): Condition {
    const named = this.nameOf(operand);
    if (named === null && operand.kind === "name" && this.meaningOf(operand.text) === null) {
      this.unknown(operand.text, operand);
    }
    if (named?.name.kind !== "text" && named?.name.kind !== "mnemonic") {
      this.fail(`${this.source(operand)} is no text: only asm, file, function, mnemonic and the target's are`, operand);
    }
    const automaton =
      how === "contains"
        ? this.compiling(() => compileSubstring(unescape(pattern.text)), pattern)
        : this.compiling(() => compilePattern(pattern.text, pattern.ignoreCase), pattern);
    if (named.name.kind === "text") return this.textCondition(named.name.text, automaton, isNegated);
    const found = [...MNEMONICS.keys()].filter((number) => number > 0 && accepts(automaton, MNEMONICS[number]!));
    if (found.length === 0) this.fail("no mnemonic is like this", pattern);
    const condition: Condition = { kind: "mnemonic", numbers: new Set(found) };
    return isNegated ? { kind: "not", part: condition } : condition;
  }

  /** A mistake in a pattern is shown where it is. */
  private compiling(compile: () => Automaton, pattern: Pattern | null): Automaton {
    try {
      return compile();
    } catch (error) {
      if (!(error instanceof PatternError)) throw error;
      if (pattern === null) this.fail(error.message, { start: 0, end: this.text.length });
      const inside = pattern.start + 1;
      const last = pattern.start + 1 + pattern.text.length;
      const start = Math.min(inside + error.start, last);
      this.fail(error.message, { start, end: Math.max(start + 1, Math.min(inside + error.end, last)) });
    }
  }
}

/** Quotes and backslashes in a text in quotes. */
function unescape(text: string): string {
  return text.replace(/\\(["'\\])/g, "$1");
}

/** A path; or its last part, in whole or without `.so` and version: `libc` is `/lib/x86_64-linux-gnu/libc.so.6`. */
function filePattern(name: string): string {
  const literal = escapePattern(name);
  return name.includes("/") ? `^${literal}$` : `(^|/)${literal}((-[0-9.]+)?\\.so(\\.[^/]*)?)?$`;
}

/**
 * Understands an expression.
 * @param texts those that can be asked for here
 * @throws MatchError
 */
export function check(text: string, texts: Iterable<TextField>): Checked {
  const checker = new Checker(text, texts);
  const condition = checker.condition(parse(text));
  return { condition, needs: checker.needs };
}
