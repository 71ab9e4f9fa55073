// What is wrong with an expression, with a line that points at it.

/** A mistake in something that was written on the command line; the message shows the place. */
export class PlacedError extends Error {
  /**
   * @param what what it is, for the message
   * @param text all of it
   * @param start offset of the first character that is wrong
   * @param end offset behind the last
   */
  constructor(
    what: string,
    readonly reason: string,
    readonly text: string,
    readonly start: number,
    readonly end: number,
  ) {
    super(`${what}, column ${columnOf(text, start)}: ${reason}\n${quote(text, start, end)}`);
  }

  /** From 1, in characters. */
  get column(): number {
    return columnOf(this.text, this.start);
  }
}

/** A mistake in a --match expression. */
export class MatchError extends PlacedError {
  constructor(reason: string, text: string, start: number, end: number) {
    super("--match", reason, text, start, end);
  }
}

function columnOf(text: string, start: number): number {
  return Array.from(text.slice(0, start)).length + 1;
}

/** The line of the expression, and one that marks [start, end) in it. Tabs stay, so that both lines have the same. */
function quote(text: string, start: number, end: number): string {
  const lineStart = text.lastIndexOf("\n", start - 1) + 1;
  const next = text.indexOf("\n", start);
  const line = text.slice(lineStart, next < 0 ? text.length : next);
  const before = Array.from(text.slice(lineStart, start), (character) => (character === "\t" ? "\t" : " ")).join("");
  const marked = Array.from(text.slice(start, Math.min(end, lineStart + line.length))).length;
  return `  ${line}\n  ${before}^${"~".repeat(Math.max(0, marked - 1))}`;
}

/** How many letters are wrong: insertions, deletions, replacements, and neighbours that changed places. */
function distance(a: string, b: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const isSame = a[i - 1] === b[j - 1];
      let least = Math.min(last[j]! + 1, row[j - 1]! + 1, last[j - 1]! + (isSame ? 0 : 1));
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        least = Math.min(least, beforeLast[j - 2]! + 1);
      row.push(least);
    }
    beforeLast = last;
    last = row;
  }
  return last[b.length]!;
}

/** `; did you mean X?` for the known name that is nearest to a wrong one, or nothing. Of equals the first wins. */
export function suggest(wrong: string, known: Iterable<string>): string {
  const limit = wrong.length <= 3 ? 1 : wrong.length <= 6 ? 2 : 3;
  let best: string | null = null;
  let least = limit + 1;
  for (const name of known) {
    if (Math.abs(name.length - wrong.length) >= least) continue;
    const found = distance(wrong.toLowerCase(), name);
    if (found < least) [best, least] = [name, found];
  }
  return best === null ? "" : `; did you mean ${best}?`;
}
