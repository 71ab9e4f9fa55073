// Text of a --match expression -> tokens.

import { MatchError } from "./error.js";

export type TokenKind = "name" | "number" | "string" | "regex" | "operator" | "end";

export interface Token {
  readonly kind: TokenKind;
  /** A name or operator as it is written; of a string or regular expression what is between its quotes. */
  readonly text: string;
  /** Of a number. */
  readonly value: bigint;
  /** Of a regular expression: whether letters are alike in both cases. */
  readonly ignoreCase: boolean;
  readonly start: number;
  readonly end: number;
}

const SPACE = /\s+/y;
/** With dots inside: `mem.base`, `libc.so.6`. A register may have AT&T's percent sign. */
const NAME = /%?[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z0-9_]+)*/y;
const NUMBER = /0[xX][0-9a-fA-F_]+|0[bB][01_]+|[0-9][0-9_]*/y;
const OPERATOR = /\.\.|==|!=|<=|>=|=~|!~|&&|\|\||[=<>~!(){},+-]/y;
const STRING = /"((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\.)*)'/y;
const REGEX = /\/((?:[^/\\]|\\.)+)\/(i?)/y;

const NUMBER_MAX = (1n << 64n) - 1n;

/** Splits an expression into tokens; the last is the end. @throws MatchError */
export function tokenize(text: string): Token[] {
  const tokens: Token[] = [];
  let at = 0;
  const matchAt = (pattern: RegExp): RegExpExecArray | null => {
    pattern.lastIndex = at;
    return pattern.exec(text);
  };
  const add = (kind: TokenKind, size: number, value: string, number = 0n, ignoreCase = false): void => {
    tokens.push({ kind, text: value, value: number, ignoreCase, start: at, end: at + size });
    at += size;
  };
  for (;;) {
    at += matchAt(SPACE)?.[0].length ?? 0;
    if (at >= text.length) break;
    let found;
    if ((found = matchAt(NUMBER))) add("number", found[0].length, found[0], numberOf(text, at, found[0]));
    else if ((found = matchAt(NAME))) add("name", found[0].length, found[0]);
    else if ((found = matchAt(STRING))) add("string", found[0].length, found[1] ?? found[2] ?? "");
    else if ((found = matchAt(REGEX))) {
      const after = text[at + found[0].length] ?? "";
      if (/[A-Za-z0-9_/]/.test(after)) fail(text, at, at + found[0].length, "a path is written in quotes");
      add("regex", found[0].length, found[1]!, 0n, found[2] === "i");
    } else if ((found = matchAt(OPERATOR))) add("operator", found[0].length, found[0]);
    else if (text[at] === '"' || text[at] === "'" || text[at] === "/") {
      fail(text, at, text.length, `${text[at]} has no second one that closes it`);
    } else fail(text, at, at + [...text.slice(at)][0]!.length, `unexpected character ${[...text.slice(at)][0]}`);
  }
  add("end", 0, "");
  return tokens;
}

function numberOf(text: string, at: number, digits: string): bigint {
  const behind = /^[A-Za-z0-9_]+/.exec(text.slice(at + digits.length))?.[0];
  if (behind !== undefined) {
    const hint = /^[0-9a-fA-F]+$/.test(digits + behind) ? `; hexadecimal is 0x${digits}${behind}` : "";
    fail(text, at, at + digits.length + behind.length, `${digits}${behind} is no number${hint}`);
  }
  const bare = digits.replaceAll("_", "");
  if (/^0[xb]$/i.test(bare)) fail(text, at, at + digits.length, `${digits} has no digits`);
  const value = BigInt(bare);
  if (value > NUMBER_MAX) fail(text, at, at + digits.length, `${digits} has more than 64 bits`);
  return value;
}

function fail(text: string, start: number, end: number, reason: string): never {
  throw new MatchError(reason, text, start, end);
}
