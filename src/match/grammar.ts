// Tokens of a --match expression -> its syntax tree. What names mean, and which values can be compared, is types.ts's.
//
//   expression  = conjunction { ("or" | "||") conjunction }
//   conjunction = negation { ("and" | "&&") negation }
//   negation    = ("not" | "!") negation | "(" expression ")" | test
//   test        = sum [ comparison ]
//   comparison  = ("==" | "!=" | "<" | "<=" | ">" | ">=") sum
//               | ("~" | "!~" | "contains") ( string | regex )
//               | [ "not" ] "in" ( "{" item { "," item } "}" | item )
//   item        = sum [ ".." sum ]
//   sum         = operand { ("+" | "-") operand }
//   operand     = number | "-" operand | string | name
//
// Other spellings: "=" and "eq" for "==", "ne", "lt", "le", "gt", "ge"; "=~" and "matches" for "~".

import { MatchError } from "./error.js";
import { type Token, tokenize } from "./lexer.js";

/** Where a piece of the tree is in the text. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

export type Operand = Span &
  (
    | { readonly kind: "number"; readonly value: bigint }
    | { readonly kind: "string"; readonly text: string }
    | { readonly kind: "name"; readonly text: string }
    | { readonly kind: "sum"; readonly operator: "+" | "-"; readonly left: Operand; readonly right: Operand }
  );

export type Relation = "==" | "!=" | "<" | "<=" | ">" | ">=";

/** A member of a set: one value, or all from one to another, both included. */
export interface Item extends Span {
  readonly low: Operand;
  readonly high: Operand | null;
}

export interface Pattern extends Span {
  readonly text: string;
  readonly ignoreCase: boolean;
}

export type Expression = Span &
  (
    | { readonly kind: "or" | "and"; readonly left: Expression; readonly right: Expression }
    | { readonly kind: "not"; readonly operand: Expression }
    | { readonly kind: "test"; readonly operand: Operand }
    | { readonly kind: "compare"; readonly relation: Relation; readonly left: Operand; readonly right: Operand }
    | { readonly kind: "in"; readonly operand: Operand; readonly items: readonly Item[]; readonly isNegated: boolean }
    | {
        readonly kind: "search";
        readonly operand: Operand;
        readonly pattern: Pattern;
        readonly how: "regex" | "contains";
        readonly isNegated: boolean;
      }
  );

const RELATIONS: Readonly<Record<string, Relation>> = {
  "==": "==",
  "=": "==",
  "!=": "!=",
  "<": "<",
  "<=": "<=",
  ">": ">",
  ">=": ">=",
  eq: "==",
  ne: "!=",
  lt: "<",
  le: "<=",
  gt: ">",
  ge: ">=",
};
const SEARCHES: Readonly<Record<string, "~" | "!~" | "contains">> = {
  "~": "~",
  "=~": "~",
  matches: "~",
  "!~": "!~",
  contains: "contains",
};
/** Words of the language: a mnemonic of that name is written as `mnemonic == and`. */
export const KEYWORDS = ["and", "or", "not", "in", "contains", "matches", "eq", "ne", "lt", "le", "gt", "ge"] as const;

/** How deep parentheses and negations may nest: the stack is not endless. */
const DEPTH_MAX = 200;

class Parser {
  private at = 0;
  private depth = 0;
  private readonly tokens: readonly Token[];

  constructor(private readonly text: string) {
    this.tokens = tokenize(text);
  }

  private get token(): Token {
    return this.tokens[this.at]!;
  }

  private fail(reason: string, { start, end }: Span = this.token): never {
    throw new MatchError(reason, this.text, start, end);
  }

  /** Whether the next token is one of these words or operators; steps over it. */
  private accept(...words: readonly string[]): boolean {
    const { kind, text } = this.token;
    if ((kind !== "name" && kind !== "operator") || !words.includes(text)) return false;
    this.at++;
    return true;
  }

  private describe(): string {
    return this.token.kind === "end" ? "the end" : this.text.slice(this.token.start, this.token.end);
  }

  parse(): Expression {
    if (this.token.kind === "end") this.fail("the expression is empty; all matches every instruction");
    const expression = this.expression();
    if (this.tokens[this.at]!.kind !== "end") {
      const hint = this.token.kind === "name" ? "; and, or, a comparison are wanted in between" : "";
      this.fail(`unexpected ${this.describe()}${hint}`);
    }
    return expression;
  }

  private expression(): Expression {
    let left = this.conjunction();
    while (this.accept("or", "||")) {
      const right = this.conjunction();
      left = { kind: "or", left, right, start: left.start, end: right.end };
    }
    return left;
  }

  private conjunction(): Expression {
    let left = this.negation();
    while (this.accept("and", "&&")) {
      const right = this.negation();
      left = { kind: "and", left, right, start: left.start, end: right.end };
    }
    return left;
  }

  private negation(): Expression {
    const { token } = this;
    if (++this.depth > DEPTH_MAX) this.fail(`more than ${DEPTH_MAX} parentheses and negations inside each other`);
    const expression = this.negated(token) ?? this.parenthesised(token) ?? this.test();
    this.depth--;
    return expression;
  }

  private negated({ start }: Token): Expression | null {
    if (!this.accept("not", "!")) return null;
    const operand = this.negation();
    return { kind: "not", operand, start, end: operand.end };
  }

  private parenthesised(open: Token): Expression | null {
    if (!this.accept("(")) return null;
    const inner = this.expression();
    const { end } = this.token;
    if (!this.accept(")")) this.fail("( has no ) that closes it", open);
    return { ...inner, start: open.start, end };
  }

  private test(): Expression {
    const operand = this.sum(false);
    const { token } = this;
    const { start } = operand;
    const word = token.kind === "name" || token.kind === "operator" ? token.text : "";
    const relation = Object.hasOwn(RELATIONS, word) ? RELATIONS[word] : undefined;
    if (relation !== undefined) {
      this.at++;
      const right = this.sum(true);
      return { kind: "compare", relation, left: operand, right, start, end: right.end };
    }
    const search = Object.hasOwn(SEARCHES, word) ? SEARCHES[word] : undefined;
    if (search !== undefined) {
      this.at++;
      const pattern = this.pattern(search);
      const how = search === "contains" ? "contains" : "regex";
      return { kind: "search", operand, pattern, how, isNegated: search === "!~", start, end: pattern.end };
    }
    const isNegated = word === "not" && this.tokens[this.at + 1]?.text === "in";
    if (isNegated) this.at++;
    if (this.accept("in")) {
      const items = this.items();
      return { kind: "in", operand, items, isNegated, start, end: this.tokens[this.at - 1]!.end };
    }
    return { kind: "test", operand, start, end: operand.end };
  }

  private pattern(search: string): Pattern {
    const { kind, text, ignoreCase, start, end } = this.token;
    if (kind !== "string" && kind !== "regex") {
      const hint = kind === "name" ? `: ${search} "${text}"` : "";
      this.fail(`${search} wants a text in quotes${hint}`);
    }
    if (kind === "regex" && search === "contains") this.fail("contains wants a text in quotes; ~ a regular expression");
    this.at++;
    return { text, ignoreCase, start, end };
  }

  private items(): Item[] {
    const open = this.token;
    if (!this.accept("{")) return [this.item()];
    const items: Item[] = [];
    do items.push(this.item());
    while (this.accept(","));
    if (!this.accept("}")) {
      if (this.token.kind === "end") this.fail("{ has no } that closes it", open);
      this.fail(`unexpected ${this.describe()}: a comma goes between members of a set`);
    }
    return items;
  }

  private item(): Item {
    const low = this.sum(true);
    const high = this.accept("..") ? this.sum(true) : null;
    return { low, high, start: low.start, end: (high ?? low).end };
  }

  /** @param isRight behind a comparison, where words of the language can be mnemonics */
  private sum(isRight: boolean): Operand {
    let left = this.operand(isRight);
    for (;;) {
      const operator = this.accept("+") ? "+" : this.accept("-") ? "-" : null;
      if (operator === null) return left;
      const right = this.operand(isRight);
      left = { kind: "sum", operator, left, right, start: left.start, end: right.end };
    }
  }

  private operand(isRight: boolean): Operand {
    const { kind, text, value, start, end } = this.token;
    if (this.accept("-")) {
      const operand = this.operand(isRight);
      const zero: Operand = { kind: "number", value: 0n, start, end: start };
      return { kind: "sum", operator: "-", left: zero, right: operand, start, end: operand.end };
    }
    const isKeyword = kind === "name" && !isRight && (KEYWORDS as readonly string[]).includes(text);
    if (kind === "regex") this.fail("a regular expression comes behind ~");
    if (kind === "end" || kind === "operator" || isKeyword) {
      const hint =
        isKeyword && ["and", "or", "not", "in"].includes(text) ? `; the instruction is mnemonic == ${text}` : "";
      this.fail(`a name or a value is wanted here, not ${this.describe()}${hint}`);
    }
    this.at++;
    if (kind === "number") return { kind, value, start, end };
    return { kind, text, start, end };
  }
}

/** Parses an expression. @throws MatchError */
export function parse(text: string): Expression {
  return new Parser(text).parse();
}
