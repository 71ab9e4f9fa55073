// Regular expression -> deterministic automaton over bytes, which a few lines of wasm run: one table look-up a byte, no
// memory, no backtracking. The same answers in a target, where no other engine for regular expressions is at hand.
//
// The syntax is what ECMAScript and grep -E share: . [a-z] [^a-z] ( ) (?: ) | * + ? {m,n} ^ $ and the escapes \d \w \s \D \W
// \S \t \n \xHH. Lazy quantifiers are read (they make no difference to a yes or no); look-around, back references and \b
// are refused. Texts are UTF-8; a character outside of ASCII stands for its bytes and cannot be in [ ].
//
// Thompson's construction, then subsets of its states (Aho, Lam, Sethi, Ullman, "Compilers", sections 3.7.1 and 3.7.4). ^ and $
// are empty moves that only count at the start and at the end.

/** What is wrong with a regular expression: offsets in its text. */
export class PatternError extends Error {
  constructor(
    message: string,
    readonly start: number,
    readonly end: number,
  ) {
    super(message);
  }
}

/** State 0 never accepts again, state 1 always does: whoever runs it can stop. States from `firstAccepting` on accept at the end. */
export interface Automaton {
  readonly start: number;
  readonly stateCount: number;
  readonly firstAccepting: number;
  /** 256 numbers: which column of the table a byte belongs to. */
  readonly columns: Uint8Array;
  readonly columnCount: number;
  /** stateCount * columnCount next states. */
  readonly next: Uint16Array;
}

export const STATE_DEAD = 0;
export const STATE_ALL = 1;
const STATES_MAX = 4000;
const REPEAT_MAX = 255;
const NFA_MAX = 20000;

type Node =
  | { readonly kind: "bytes"; readonly set: ByteSet }
  | { readonly kind: "sequence"; readonly parts: readonly Node[] }
  | { readonly kind: "either"; readonly parts: readonly Node[] }
  | { readonly kind: "repeat"; readonly part: Node; readonly least: number; readonly most: number }
  | { readonly kind: "start" | "end" };

/** 256 flags. */
type ByteSet = readonly boolean[];

const setOf = (test: (byte: number) => boolean): ByteSet => Array.from({ length: 256 }, (_, byte) => test(byte));
const isDigit = (byte: number): boolean => byte >= 0x30 && byte <= 0x39;
const isLetter = (byte: number): boolean => (byte | 0x20) >= 0x61 && (byte | 0x20) <= 0x7a;
const isWord = (byte: number): boolean => isDigit(byte) || isLetter(byte) || byte === 0x5f;
const isSpace = (byte: number): boolean => byte === 0x20 || (byte >= 9 && byte <= 13);
const CLASSES: Readonly<Record<string, ByteSet>> = {
  d: setOf(isDigit),
  D: setOf((byte) => !isDigit(byte)),
  w: setOf(isWord),
  W: setOf((byte) => !isWord(byte)),
  s: setOf(isSpace),
  S: setOf((byte) => !isSpace(byte)),
};
const CONTROLS: Readonly<Record<string, number>> = { t: 9, n: 10, v: 11, f: 12, r: 13, "0": 0 };
const ANY = setOf((byte) => byte !== 10);

class PatternParser {
  private at = 0;

  constructor(
    private readonly text: string,
    private readonly ignoreCase: boolean,
  ) {}

  private fail(message: string, start = this.at, end = start + 1): never {
    throw new PatternError(message, start, Math.min(end, this.text.length));
  }

  parse(): Node {
    const node = this.either();
    if (this.at < this.text.length) this.fail(") has no ( before it");
    return node;
  }

  private either(): Node {
    const parts = [this.sequence()];
    while (this.text[this.at] === "|") {
      this.at++;
      parts.push(this.sequence());
    }
    return parts.length === 1 ? parts[0]! : { kind: "either", parts };
  }

  private sequence(): Node {
    const parts: Node[] = [];
    while (this.at < this.text.length && this.text[this.at] !== "|" && this.text[this.at] !== ")") {
      parts.push(this.repeated());
    }
    return { kind: "sequence", parts };
  }

  private repeated(): Node {
    const start = this.at;
    let part = this.atom();
    for (;;) {
      const counted = /^\{(\d+)(,(\d*))?\}/.exec(this.text.slice(this.at));
      const sign = this.text[this.at];
      let least: number, most: number;
      if (counted) {
        least = Number(counted[1]);
        most = counted[2] === undefined ? least : counted[3] === "" ? Infinity : Number(counted[3]);
        const end = this.at + counted[0].length;
        if (least > REPEAT_MAX || (most !== Infinity && most > REPEAT_MAX)) {
          this.fail(`more than ${REPEAT_MAX} repetitions`, this.at, end);
        }
        if (most < least) this.fail("the numbers are in the wrong order", this.at, end);
        this.at = end;
      } else if (sign === "*" || sign === "+" || sign === "?") {
        [least, most] = { "*": [0, Infinity], "+": [1, Infinity], "?": [0, 1] }[sign] as [number, number];
        this.at++;
      } else return part;
      if (part.kind === "start" || part.kind === "end") this.fail("^ and $ cannot be repeated", start, this.at);
      if (this.text[this.at] === "?") this.at++;
      if (/[*+?]/.test(this.text[this.at] ?? "")) this.fail("nothing to repeat: a quantifier behind another");
      part = { kind: "repeat", part, least, most };
    }
  }

  private atom(): Node {
    const start = this.at;
    const character = String.fromCodePoint(this.text.codePointAt(this.at)!);
    this.at += character.length;
    switch (character) {
      case ".":
        return { kind: "bytes", set: ANY };
      case "^":
        return { kind: "start" };
      case "$":
        return { kind: "end" };
      case "[":
        return { kind: "bytes", set: this.brackets(start) };
      case "(":
        return this.group(start);
      case "*":
      case "+":
      case "?":
        return this.fail(`nothing to repeat before ${character}`, start);
      case "\\":
        return { kind: "bytes", set: this.escape(start) };
    }
    if (character === "{" && /^\d+(,\d*)?\}/.test(this.text.slice(this.at)))
      this.fail("nothing to repeat before {", start);
    return { kind: "sequence", parts: this.literal(character) };
  }

  private literal(character: string): Node[] {
    return Array.from(Buffer.from(character), (byte) => ({ kind: "bytes", set: this.fold(setOf((b) => b === byte)) }));
  }

  private group(start: number): Node {
    if (this.text[this.at] === "?") {
      if (this.text[this.at + 1] !== ":")
        this.fail("only (?: ) is known of groups with a question mark", start, this.at + 2);
      this.at += 2;
    }
    const inner = this.either();
    if (this.text[this.at] !== ")") this.fail("( has no ) that closes it", start);
    this.at++;
    return inner;
  }

  /** What a backslash, which has been read, makes of the next character. */
  private escape(start: number): ByteSet {
    const letter = this.text[this.at++];
    if (letter === undefined) this.fail("a backslash at the end", start);
    const known = CLASSES[letter];
    if (known !== undefined) return known;
    const hex = letter === "x" ? /^[0-9a-fA-F]{2}/.exec(this.text.slice(this.at))?.[0] : undefined;
    if (hex !== undefined) this.at += 2;
    const value = hex === undefined ? CONTROLS[letter] : parseInt(hex, 16);
    if (value !== undefined) return this.fold(setOf((byte) => byte === value));
    if (/[A-Za-z0-9]/.test(letter)) this.fail(`\\${letter} is not known`, start, start + 2);
    if (letter > "\x7f") this.fail("a backslash before a character outside of ASCII", start, start + 2);
    return setOf((byte) => byte === letter.charCodeAt(0));
  }

  private brackets(start: number): ByteSet {
    const isNegated = this.text[this.at] === "^";
    if (isNegated) this.at++;
    const set = new Array<boolean>(256).fill(false);
    for (let first = true; first || this.text[this.at] !== "]"; first = false) {
      if (this.at >= this.text.length) this.fail("[ has no ] that closes it", start);
      if (this.text[this.at] === "]") break;
      const from = this.at;
      const low = this.member();
      let high = low;
      if (this.text[this.at] === "-" && this.text[this.at + 1] !== "]" && this.at + 1 < this.text.length) {
        this.at++;
        high = this.member();
        const [a, b] = [low.indexOf(true), high.indexOf(true)];
        if (low.filter(Boolean).length !== 1 || high.filter(Boolean).length !== 1 || a > b) {
          this.fail("this is no range", from, this.at);
        }
        high = setOf((byte) => byte >= a && byte <= b);
      }
      for (let byte = 0; byte < 256; byte++) set[byte] ||= high[byte]!;
    }
    this.at++;
    const folded = this.fold(set);
    return isNegated ? folded.map((has) => !has) : folded;
  }

  private member(): ByteSet {
    const start = this.at;
    const character = this.text[this.at++]!;
    if (character === "\\") return this.escape(start);
    if (character > "\x7f") this.fail("only ASCII can be in [ ]", start);
    return setOf((byte) => byte === character.charCodeAt(0));
  }

  private fold(set: ByteSet): ByteSet {
    if (!this.ignoreCase) return set;
    return setOf((byte) => set[byte]! || (isLetter(byte) && set[byte ^ 0x20]!));
  }
}

/** A state of the nondeterministic automaton: moves on bytes, or empty moves, at any place or only at the start or the end. */
interface Move {
  readonly set: ByteSet | null;
  readonly where: "any" | "start" | "end";
  readonly to: number;
}

class Nondeterministic {
  readonly moves: Move[][] = [];

  state(): number {
    if (this.moves.length >= NFA_MAX) throw new PatternError("the regular expression is too large", 0, Infinity);
    return this.moves.push([]) - 1;
  }

  private empty(from: number, to: number, where: Move["where"] = "any"): void {
    this.moves[from]!.push({ set: null, where, to });
  }

  /** Adds a node that begins at state `from`; gives the state where it ends. */
  add(node: Node, from: number): number {
    switch (node.kind) {
      case "bytes": {
        const to = this.state();
        this.moves[from]!.push({ set: node.set, where: "any", to });
        return to;
      }
      case "start":
      case "end": {
        const to = this.state();
        this.empty(from, to, node.kind);
        return to;
      }
      case "sequence":
        return node.parts.reduce((at, part) => this.add(part, at), from);
      case "either": {
        const to = this.state();
        for (const part of node.parts) {
          const begin = this.state();
          this.empty(from, begin);
          this.empty(this.add(part, begin), to);
        }
        return to;
      }
      case "repeat":
        return this.repeat(node.part, node.least, node.most, from);
    }
  }

  private repeat(part: Node, least: number, most: number, from: number): number {
    let at = from;
    for (let i = 0; i < least; i++) at = this.add(part, at);
    if (most === Infinity) {
      const loop = this.state();
      this.empty(at, loop);
      this.empty(this.add(part, loop), loop);
      const out = this.state();
      this.empty(loop, out);
      return out;
    }
    const out = this.state();
    this.empty(at, out);
    for (let i = least; i < most; i++) {
      at = this.add(part, at);
      this.empty(at, out);
    }
    return out;
  }

  closure(states: Iterable<number>, isStart: boolean, isEnd: boolean): Set<number> {
    const found = new Set(states);
    const open = [...found];
    for (let state = open.pop(); state !== undefined; state = open.pop()) {
      for (const { set, where, to } of this.moves[state]!) {
        if (set !== null || found.has(to) || (where === "start" && !isStart) || (where === "end" && !isEnd)) continue;
        found.add(to);
        open.push(to);
      }
    }
    return found;
  }
}

/** Bytes that no move tells apart share a column. */
function columnsOf(nfa: Nondeterministic): { columns: Uint8Array; columnCount: number } {
  const sets = [...new Set(nfa.moves.flat().flatMap(({ set }) => (set === null ? [] : [set])))];
  const numbers = new Map<string, number>();
  const columns = Uint8Array.from({ length: 256 }, (_, byte) => {
    const key = sets.map((set) => (set[byte] ? "1" : "0")).join("");
    if (!numbers.has(key)) numbers.set(key, numbers.size);
    return numbers.get(key)!;
  });
  return { columns, columnCount: numbers.size };
}

/** The automaton that accepts a text in which one of the nodes is found. */
function determine(nodes: readonly Node[]): Automaton {
  const nfa = new Nondeterministic();
  const search = nfa.state();
  nfa.moves[search]!.push({ set: setOf(() => true), where: "any", to: search });
  const final = nfa.add({ kind: "either", parts: nodes }, search);
  const { columns, columnCount } = columnsOf(nfa);
  const bytes = Array.from({ length: columnCount }, (_, column) => columns.indexOf(column));
  const numbers = new Map<string, number>([["", STATE_DEAD]]);
  const sets: Set<number>[] = [new Set(), new Set()];
  const numberOf = (states: Set<number>): number => {
    if (states.has(final)) return STATE_ALL;
    const key = [...states].sort((a, b) => a - b).join();
    let number = numbers.get(key);
    if (number === undefined) {
      number = sets.push(states) - 1;
      numbers.set(key, number);
      if (sets.length > STATES_MAX) {
        throw new PatternError(`the regular expression needs more than ${STATES_MAX} states`, 0, Infinity);
      }
    }
    return number;
  };
  const first = nfa.closure([search], true, false);
  // A number of its own, even where a later state has the same moves: ^ counts here only.
  const start = first.has(final) ? STATE_ALL : sets.push(first) - 1;
  const rows: number[][] = [
    new Array<number>(columnCount).fill(STATE_DEAD),
    new Array<number>(columnCount).fill(STATE_ALL),
  ];
  for (let number = 2; number < sets.length; number++) {
    rows.push(
      bytes.map((byte) => {
        const reached = [...sets[number]!].flatMap((state) =>
          nfa.moves[state]!.filter(({ set }) => set?.[byte]).map(({ to }) => to),
        );
        return numberOf(nfa.closure(reached, false, false));
      }),
    );
  }
  // An empty text is at its start and its end at once.
  const isAccepting = sets.map(
    (set, number) => nfa.closure(set, set === first, true).has(final) || number === STATE_ALL,
  );
  return renumber({ start, rows, isAccepting, columns, columnCount });
}

interface Unordered {
  readonly start: number;
  readonly rows: readonly (readonly number[])[];
  readonly isAccepting: readonly boolean[];
  readonly columns: Uint8Array;
  readonly columnCount: number;
}

/** Puts accepting states last, behind 0 and 1, which keep their numbers. */
function renumber({ start, rows, isAccepting, columns, columnCount }: Unordered): Automaton {
  const states = [...rows.keys()].slice(2);
  const order = [
    0,
    1,
    ...states.filter((state) => !isAccepting[state]),
    ...states.filter((state) => isAccepting[state]),
  ];
  const newNumber = new Map(order.map((state, number) => [state, number]));
  return {
    start: newNumber.get(start)!,
    stateCount: order.length,
    firstAccepting: 2 + states.filter((state) => !isAccepting[state]).length,
    columns,
    columnCount,
    next: Uint16Array.from(order.flatMap((state) => rows[state]!.map((next) => newNumber.get(next)!))),
  };
}

/** A regular expression that is to be found anywhere in a text. @throws PatternError */
export function compilePattern(pattern: string, ignoreCase: boolean): Automaton {
  return determine([new PatternParser(pattern, ignoreCase).parse()]);
}

/** Texts of which one is to be found anywhere. */
export function compileSubstring(text: string): Automaton {
  return compilePattern(escapePattern(text), false);
}

/** Several regular expressions of which one is to be found. @throws PatternError */
export function compileAny(patterns: readonly string[]): Automaton {
  return determine(patterns.map((pattern) => new PatternParser(pattern, false).parse()));
}

/** A text as a regular expression. */
export function escapePattern(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\/]/g, "\\$&");
}

/** Runs an automaton; the wasm of emission.ts does the same. */
export function accepts(automaton: Automaton, text: string): boolean {
  let state = automaton.start;
  for (const byte of Buffer.from(text)) {
    if (state <= STATE_ALL) break;
    state = automaton.next[state * automaton.columnCount + automaton.columns[byte]!]!;
  }
  return state === STATE_ALL || state >= automaton.firstAccepting;
}
