// A rule of `flicker fault`: which calls, and what becomes of them.
//
//   CALLS:KEY=VALUE[:KEY=VALUE]...
//
//   CALLS               as behind trace's -e: names, numbers, %classes, /regular expressions, all; ! turns a list round
//   error=NAME          the call is not made, and fails so; retval=N: it gives this
//   short=N             it reads or writes N bytes at most
//   signal=NAME         its thread gets a signal in front of it
//   delay=TIME          it is made so late (delay_enter=); delay_exit=TIME: its return is so late. Without a unit, microseconds
//   when=N N+ N+S N..M N..M+S   the N-th such call of each process; from the N-th on; every S-th from there; up to the M-th
//   probability=P%      by chance; seed=N: the same chance again
//   path=PATTERN        calls on such files; * stands for anything, ? for one character
//   count=tree          calls of all processes are counted together
//
// A backslash takes the meaning of `:` away. strace's `inject=` or `fault=` may stand in front.

import { randomInt } from "node:crypto";
import { constantSet } from "../../kernel-interface/constant-set.js";
import { classNames, signatures } from "../../kernel-interface/signature.js";
import { PlacedError, suggest } from "../../match/error.js";
import { FilterError, callsNamed } from "../../trace/filter.js";
import { isOnFiles, nameOf, returns, shortNames, sizeOf } from "./calls.js";

/** A mistake in a rule; the message shows the place. */
export class RuleError extends PlacedError {
  constructor(reason: string, text: string, start: number, end: number) {
    super("the rule", reason, text, start, end);
  }
}

export interface Rule {
  /** As it was written; with the seed, when chance decides. */
  readonly text: string;
  readonly calls: ReadonlySet<number>;
  /** What the program gets in place of the call; null: the call is made. */
  readonly result: bigint | null;
  readonly short: bigint | null;
  /** The number of a signal that comes in front of the call. */
  readonly signal: number | null;
  /** Nanoseconds. */
  readonly delay: bigint;
  readonly delayExit: bigint;
  readonly first: bigint;
  readonly last: bigint;
  /** 0: the first alone. */
  readonly step: bigint;
  /** From 0 to 1; null: each time. */
  readonly probability: number | null;
  readonly seed: bigint;
  readonly pattern: string | null;
  readonly isOfTree: boolean;
}

/** A piece of a rule, and where it stands. */
interface Piece {
  readonly text: string;
  readonly start: number;
}

export const U64_MAX = (1n << 64n) - 1n;

/** What is between separators that have no backslash in front. */
function split(text: string, separator: string, start: number): Piece[] {
  const pieces: Piece[] = [];
  let from = 0;
  for (let at = 0; at < text.length; at++) {
    if (text[at] === "\\") at++;
    else if (text[at] === separator) {
      pieces.push({ text: text.slice(from, at), start: start + from });
      from = at + 1;
    }
  }
  return [...pieces, { text: text.slice(from), start: start + from }];
}

const errnos = new Map(
  constantSet("errno")
    .constants.filter(({ value }) => value > 0n && value < 512n)
    .map(({ name, value }) => [name, value]),
);

const ERRNO_MAX = 4095n;
const signals = new Map(constantSet("signal").constants.map(({ name, value }) => [name, Number(value)]));
const SIGNAL_MAX = 64;
const units = new Map([
  ["ns", 1n],
  ["us", 1_000n],
  ["", 1_000n],
  ["ms", 1_000_000n],
  ["s", 1_000_000_000n],
]);

const keys = [
  "error",
  "retval",
  "short",
  "signal",
  "delay",
  "delay_enter",
  "delay_exit",
  "when",
  "probability",
  "seed",
  "path",
  "count",
];

class Parser {
  private readonly given = new Map<string, Piece>();

  constructor(private readonly text: string) {}

  private fail(reason: string, { start, text }: Piece): never {
    throw new RuleError(reason, this.text, start, start + text.length);
  }

  parse(randomSeed: () => bigint): Rule {
    const inFront = /^(?:inject|fault)=/.exec(this.text)?.[0].length ?? 0;
    const [list, ...pairs] = split(this.text.slice(inFront), ":", inFront);
    for (const pair of pairs) this.addPair(pair);
    const result = this.result();
    const short = this.positive("short");
    const signal = this.signal();
    const delay = this.time("delay_enter") ?? this.time("delay") ?? 0n;
    const delayExit = this.time("delay_exit") ?? 0n;
    if (result === null && short === null && signal === null && delay === 0n && delayExit === 0n) {
      const whole = { text: this.text, start: 0 };
      this.fail("nothing is to happen: it needs error=, retval=, short=, signal=, delay= or delay_exit=", whole);
    }
    if (result !== null && short !== null)
      this.fail("a call that is not made reads and writes nothing", this.given.get("short")!);
    const probability = this.probability();
    const seed = this.number("seed", U64_MAX);
    if (seed !== null && probability === null)
      this.fail("a seed is for chance: probability= is missing", this.given.get("seed")!);
    const isByNewSeed = probability !== null && seed === null;
    const chosen = seed ?? (isByNewSeed ? randomSeed() : 0n);
    const changes = result !== null || short !== null || signal !== null || delayExit !== 0n;
    return {
      text: isByNewSeed ? `${this.text}:seed=${chosen}` : this.text,
      calls: this.calls(list!, changes, short !== null),
      ...{ result, short, signal, delay, delayExit, probability, seed: chosen },
      ...this.when(),
      pattern: this.given.get("path")?.text.replace(/\\:/g, ":") ?? null,
      isOfTree: this.isOfTree(),
    };
  }

  private addPair(pair: Piece): void {
    const at = pair.text.indexOf("=");
    if (at < 0) this.fail("KEY=VALUE is expected", pair.text === "" ? { text: ":", start: pair.start - 1 } : pair);
    const key = { text: pair.text.slice(0, at), start: pair.start };
    const value = { text: pair.text.slice(at + 1), start: pair.start + at + 1 };
    if (!keys.includes(key.text))
      this.fail(`no such key: ${key.text}${suggest(key.text, keys) || `; there are ${keys.join(" ")}`}`, key);
    if (this.given.has(key.text)) this.fail(`${key.text} is given twice`, pair);
    if (value.text === "") this.fail("a value is missing", pair);
    this.given.set(key.text, value);
  }

  /** A number up to `most`, or null when it is not given. */
  private number(key: string, most: bigint): bigint | null {
    const value = this.given.get(key);
    if (value === undefined) return null;
    if (!/^(?:\d+|0x[0-9a-fA-F]+)$/.test(value.text)) this.fail("it must be a number", value);
    const number = BigInt(value.text);
    if (number > most) this.fail(`it must be at most ${most}`, value);
    return number;
  }

  private positive(key: string): bigint | null {
    const number = this.number(key, U64_MAX >> 1n);
    if (number === 0n) this.fail("it must be at least 1; retval=0 is the end of a file", this.given.get(key)!);
    return number;
  }

  private result(): bigint | null {
    const error = this.given.get("error");
    const value = this.given.get("retval");
    if (error !== undefined && value !== undefined) this.fail("a call either fails or gives a value", value);
    if (error !== undefined) return -this.errno(error);
    if (value === undefined) return null;
    if (!/^-?(?:\d+|0x[0-9a-fA-F]+)$/.test(value.text)) this.fail("it must be a number", value);
    const number = value.text.startsWith("-") ? -BigInt(value.text.slice(1)) : BigInt(value.text);
    if (number > U64_MAX || number < -(1n << 63n)) this.fail("it must be a number of 64 bits", value);
    return number;
  }

  private signal(): number | null {
    const value = this.given.get("signal");
    if (value === undefined) return null;
    const isNumber = /^\d+$/.test(value.text);
    if (isNumber && Number(value.text) >= 1 && Number(value.text) <= SIGNAL_MAX) return Number(value.text);
    if (isNumber) this.fail(`signals are 1 to ${SIGNAL_MAX}`, value);
    const name = value.text.toUpperCase().replace(/^(?!SIG)/, "SIG");
    const known = signals.get(name);
    if (known !== undefined) return known;
    return this.fail(`no such signal: ${value.text}${suggestName(name, signals)}`, value);
  }

  private errno(value: Piece): bigint {
    const known = errnos.get(value.text.toUpperCase());
    if (known !== undefined) return known;
    const isNumber = /^\d+$/.test(value.text);
    if (isNumber && BigInt(value.text) > 0n && BigInt(value.text) <= ERRNO_MAX) return BigInt(value.text);
    if (isNumber) this.fail(`errors are 1 to ${ERRNO_MAX}`, value);
    return this.fail(`no such error: ${value.text}${suggestName(value.text, errnos)}`, value);
  }

  private time(key: string): bigint | null {
    const value = this.given.get(key);
    if (value === undefined) return null;
    const match = /^(\d+(?:\.\d+)?)(ns|us|ms|s|)$/.exec(value.text);
    if (match === null) this.fail("it must be a time: 10ms, 1.5s, 200us; without a unit, microseconds", value);
    const [, amount, unit] = match;
    const [whole, part = ""] = amount!.split(".");
    const scale = units.get(unit!)!;
    const time = BigInt(whole!) * scale + (BigInt(part.padEnd(9, "0").slice(0, 9)) * scale) / 1_000_000_000n;
    if (time === 0n || time >= 1n << 62n)
      this.fail("no such time: it must be at least 1ns and at most a century", value);
    return time;
  }

  private when(): Pick<Rule, "first" | "last" | "step"> {
    const value = this.given.get("when");
    if (value === undefined) return { first: 1n, last: U64_MAX, step: 1n };
    const match = /^(\d+)(?:\.\.(\d+))?(?:(\+)(\d*))?$/.exec(value.text);
    if (match === null) this.fail("it must be N, N+, N+STEP, N..M or N..M+STEP", value);
    const [, from, to, plus, every] = match;
    const first = BigInt(from!);
    const last = to === undefined ? U64_MAX : BigInt(to);
    const step = plus === undefined ? (to === undefined ? 0n : 1n) : every === "" ? 1n : BigInt(every!);
    if (first === 0n) this.fail("calls are counted from 1", value);
    if (last < first) this.fail("the last is before the first", value);
    if (step === 0n && plus !== undefined) this.fail("a step is at least 1", value);
    if (first > U64_MAX || last > U64_MAX || step > U64_MAX) this.fail(`it must be at most ${U64_MAX}`, value);
    return { first, last, step };
  }

  private probability(): number | null {
    const value = this.given.get("probability");
    if (value === undefined) return null;
    const match = /^(\d+(?:\.\d*)?|\.\d+)(%?)$/.exec(value.text);
    const probability = match === null ? NaN : Number(match[1]) / (match[2] === "%" ? 100 : 1);
    if (!(probability > 0 && probability <= 1)) this.fail("it must be a probability: 5%, 0.05", value);
    return probability;
  }

  private isOfTree(): boolean {
    const value = this.given.get("count");
    if (value !== undefined && value.text !== "process" && value.text !== "tree")
      this.fail("calls are counted by process or by tree", value);
    return value?.text === "tree";
  }

  /** Numbers of the calls of the list; of those that it names by a class, those that the rule can be about. */
  private calls(list: Piece, changes: boolean, isShort: boolean): ReadonlySet<number> {
    const isInverted = list.text.startsWith("!");
    const named = new Set<number>();
    for (const value of split(list.text.slice(isInverted ? 1 : 0), ",", list.start + (isInverted ? 1 : 0))) {
      const name = value.text.replace(/\\:/g, ":");
      if (name === "") this.fail("the name of a system call is missing", { text: " ", start: value.start });
      const isOneByOne = !isInverted && !/^[%/?]/.test(name) && name !== "all" && !classNames.has(name);
      for (const number of this.callsNamed(name, value)) {
        const reason = this.unfit(number, changes, isShort);
        if (reason !== null && isOneByOne) this.fail(reason, value);
        if (reason === null || isInverted) named.add(number);
      }
    }
    const calls = isInverted
      ? [...signatures.keys()].filter((number) => !named.has(number) && this.unfit(number, changes, isShort) === null)
      : [...named];
    if (calls.length === 0) this.fail("no system call is meant", list);
    return new Set(calls);
  }

  private callsNamed(name: string, place: Piece): number[] {
    try {
      const numbers = [...callsNamed(name)];
      const unknown = numbers.find((number) => !signatures.has(number));
      if (unknown !== undefined) this.fail(`${unknown}: no such system call`, place);
      return numbers;
    } catch (error) {
      if (!(error instanceof FilterError)) throw error;
      return this.fail(error.message, place);
    }
  }

  /** Why a rule cannot be about a call, or null. */
  private unfit(number: number, changes: boolean, isShort: boolean): string | null {
    const signature = signatures.get(number);
    if (signature === undefined) return null;
    const name = nameOf(number);
    if (changes && !returns(signature)) return `${name} does not come back: it can be late (delay=), and nothing else`;
    if (isShort && sizeOf(signature) === null)
      return `${name} has no number of bytes that could be lowered; there are ${shortNames.join(" ")}`;
    if (this.given.has("path") && !isOnFiles(signature)) return `${name} is about no file`;
    return null;
  }
}

/** `suggest` of names that are in capitals. */
function suggestName(wrong: string, names: ReadonlyMap<string, unknown>): string {
  const near = suggest(
    wrong.toLowerCase(),
    [...names.keys()].map((name) => name.toLowerCase()),
  );
  return near.replace(/mean (\w+)/, (_, name: string) => `mean ${name.toUpperCase()}`);
}

const newSeed = (): bigint => BigInt(randomInt(1, 2 ** 32));

/**
 * Reads a rule.
 * @param randomSeed gives the seed when chance decides and the rule has none
 * @throws RuleError whose message has the column, and a line that points at it
 */
export const parseRule = (text: string, randomSeed: () => bigint = newSeed): Rule => new Parser(text).parse(randomSeed);
