// -e expressions, as strace has them: which calls, results and signals are shown.
//
//   [trace=][!]VALUE[,VALUE]...     calls: names, numbers, %classes, /regular expressions, all, none; ?NAME need not exist
//   status=[!]VALUE[,VALUE]...      successful, failed, unfinished
//   signal=[!]VALUE[,VALUE]...      names with or without SIG, numbers, all, none
//
// `!` turns round everything behind it. A later expression of the same kind takes the place of an earlier one.

import { signalName } from "./decode/number.js";
import { classNames, signatureByName, signatures } from "../kernel-interface/signature.js";

/** What is wrong with an expression, said to whoever wrote it. */
export class FilterError extends Error {}

export const statuses = ["successful", "failed", "unfinished"] as const;
export type Status = (typeof statuses)[number];

/** Qualifiers of strace that mean something else here, and what to do instead. */
const elsewhere = new Map([
  ["fault", "flicker fault makes calls fail"],
  ["inject", "flicker fault makes calls fail, late or short"],
  ["abbrev", "use -v to see structs in full"],
  ["verbose", "use -v to see structs in full"],
  ["read", "use -s to see more of what is read"],
  ["write", "use -s to see more of what is written"],
  ["raw", "--json has every argument"],
  ["decode-fds", "use -y to see the paths of descriptors"],
]);

const qualifiers = new Map<string, "trace" | "status" | "signal">([
  ["trace", "trace"],
  ["t", "trace"],
  ["status", "status"],
  ["signal", "signal"],
  ["signals", "signal"],
  ["s", "signal"],
]);

/** Steps from one word to the other: letters added, removed or changed. */
function distance(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, index) => index);
  for (let i = 1; i <= from.length; i++) {
    const next = [i];
    for (let j = 1; j <= to.length; j++)
      next.push(Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + (from[i - 1] === to[j - 1] ? 0 : 1)));
    row = next;
  }
  return row[to.length]!;
}

function suggestion(word: string, known: Iterable<string>): string {
  const near = [...known]
    .map((name) => ({ name, steps: distance(word, name) }))
    .filter(({ steps, name }) => steps <= Math.max(1, Math.trunc(Math.min(word.length, name.length) / 3)))
    .sort((a, b) => a.steps - b.steps)[0];
  return near === undefined ? "" : `; did you mean ${near.name}?`;
}

function parseRegex(source: string): RegExp {
  try {
    return new RegExp(source);
  } catch (error) {
    throw new FilterError(`/${source}: not a regular expression: ${(error as Error).message}`);
  }
}

const allCalls = (): Set<number> => new Set(signatures.keys());

/** Short names that strace has for classes. */
const classAliases = new Map([["net", "network"]]);

/** Numbers of the calls that one value of trace= names. */
export function callsNamed(value: string): Iterable<number> {
  if (value === "all") return signatures.keys();
  if (value === "none") return [];
  const isOptional = value.startsWith("?");
  const name = isOptional ? value.slice(1) : value;
  const matching = (isIn: (name: string, classes: ReadonlySet<string>) => boolean): number[] =>
    [...signatures.values()].filter((call) => isIn(call.name, call.classes)).map((call) => call.number);
  if (name.startsWith("/")) {
    const regex = parseRegex(name.slice(1));
    const calls = matching((call) => regex.test(call));
    if (calls.length === 0 && !isOptional) throw new FilterError(`${value}: no system call matches`);
    return calls;
  }
  if (name.startsWith("%")) {
    const wanted = classAliases.get(name.slice(1)) ?? name.slice(1);
    if (classNames.has(wanted)) return matching((_, classes) => classes.has(wanted));
    if (isOptional) return [];
    const known = [...classNames].map((className) => `%${className}`).sort();
    throw new FilterError(`${value}: no such class of system calls: ${known.join(" ")}`);
  }
  const signature = signatureByName.get(name.replace(/@64$/, ""));
  if (signature !== undefined) return [signature.number];
  if (/^\d+$/.test(name)) return [Number(name)];
  if (isOptional) return [];
  if (classNames.has(name)) return matching((_, classes) => classes.has(name));
  throw new FilterError(`${value}: no such system call${suggestion(name, signatureByName.keys())}`);
}

const signalNumbers = new Map(
  Array.from({ length: 64 }, (_, index): [string, number] => [signalName(BigInt(index + 1))!, index + 1]),
);

function signalsNamed(value: string): Iterable<number> {
  if (value === "all") return signalNumbers.values();
  if (value === "none") return [];
  const name = value.toUpperCase().replace(/^SIG/, "");
  const number = signalNumbers.get(name) ?? (/^\d+$/.test(value) && Number(value) <= 64 ? Number(value) : undefined);
  if (number === undefined) throw new FilterError(`${value}: no such signal${suggestion(name, signalNumbers.keys())}`);
  return [number];
}

function statusesNamed(value: string): Iterable<Status> {
  if (value === "all") return statuses;
  if (value === "none") return [];
  const status = statuses.find((name) => name === value);
  if (status === undefined) throw new FilterError(`${value}: no such status: ${statuses.join(" ")}`);
  return [status];
}

/** The members that a list names, or, behind a `!`, all the others. */
function parseList<T>(list: string, all: Iterable<T>, named: (value: string) => Iterable<T>): Set<T> {
  const isInverted = list.startsWith("!");
  const values = (isInverted ? list.slice(1) : list).split(",");
  const members = new Set<T>();
  for (const value of values) {
    if (value === "") throw new FilterError(`${list}: a name is missing`);
    for (const member of named(value)) members.add(member);
  }
  if (!isInverted) return members;
  return new Set([...all].filter((member) => !members.has(member)));
}

export class TraceFilter {
  /** null: every call, also those that have no name. */
  private calls: Set<number> | null = null;
  private signals: Set<number> = new Set(signalNumbers.values());
  private shown: Set<Status> = new Set(statuses);

  /** @param expressions what stood behind each -e, in order */
  constructor(expressions: readonly string[] = []) {
    for (const expression of expressions) this.add(expression);
  }

  private add(expression: string): void {
    const match = /^([a-z-]+)=(.*)$/.exec(expression);
    const [qualifier, list] = match === null ? ["trace", expression] : [match[1]!, match[2]!];
    try {
      this.apply(qualifier, list);
    } catch (error) {
      if (!(error instanceof FilterError)) throw error;
      throw new FilterError(`-e ${expression}: ${error.message}`);
    }
  }

  private apply(qualifier: string, list: string): void {
    switch (qualifiers.get(qualifier)) {
      case "trace":
        this.calls = list === "all" ? null : parseList(list, allCalls(), callsNamed);
        return;
      case "status":
        this.shown = parseList(list, statuses, statusesNamed);
        return;
      case "signal":
        this.signals = parseList(list, signalNumbers.values(), signalsNamed);
        return;
      case undefined: {
        const instead = elsewhere.get(qualifier);
        if (instead !== undefined) throw new FilterError(instead);
        throw new FilterError(`no such kind of expression: ${qualifier}; there are trace, status and signal`);
      }
    }
  }

  /** What a recorder has to look at; null: everything. */
  get callNumbers(): ReadonlySet<number> | null {
    return this.calls;
  }

  showsCall(number: number): boolean {
    return this.calls === null || this.calls.has(number);
  }

  showsStatus(status: Status): boolean {
    return this.shown.has(status);
  }

  showsSignal(signal: number): boolean {
    return this.signals.has(signal);
  }
}
