// What `flicker fault` says: how the run is repeated, each call that was changed, and how many there were.

import type { DecodeOptions } from "../../trace/decode/context.js";
import { type EventObject, eventObject } from "../../trace/json.js";
import { LineWriter, RESULT_COLUMN } from "../../trace/lines.js";
import type { TraceEvent } from "../../trace/event.js";
import type { Rule } from "./rule.js";

/** A call that was changed. */
export interface FaultObject extends EventObject {
  /** The rule's number, from 0. */
  readonly rule: number;
  /** Which of the calls that the rule is about it was. */
  readonly count: number;
}

/** How many calls a rule was about, and how many of those were changed. */
export interface RuleCount {
  readonly rule: string;
  readonly matched: number;
  readonly injected: number;
}

/** src/abi/fault-parameters.ts: the rule's number from 1 in the lowest bits, and which call it was. */
const ruleOf = (event: TraceEvent): number => Number((event.note ?? 0n) & 255n) - 1;
const countOf = (event: TraceEvent): bigint => (event.note ?? 0n) >> 8n;

export const faultObject = (event: TraceEvent, options: DecodeOptions): FaultObject => ({
  ...eventObject(event, options),
  rule: ruleOf(event),
  count: Number(countOf(event)),
});

/** @param sums what the hook has added up */
export const countsOf = (rules: readonly Rule[], sums: readonly number[]): RuleCount[] =>
  rules.map(({ text }, index) => ({
    rule: text,
    matched: sums[2 * index] ?? 0,
    injected: sums[2 * index + 1] ?? 0,
  }));

const isCall = ({ kind }: TraceEvent): boolean => kind === "call" || kind === "enter" || kind === "leave";

/**
 * Calls of which all is known that will be: one that has been entered is held until it returns, or its thread does something else
 * or ends.
 */
export class WholeCalls {
  private readonly open = new Map<number, TraceEvent>();

  constructor(private readonly emit: (event: TraceEvent) => void) {}

  private settle(tid: number): void {
    const begun = this.open.get(tid);
    this.open.delete(tid);
    if (begun !== undefined) this.emit(begun);
  }

  add(event: TraceEvent): void {
    if (event.kind === "leave") this.open.delete(event.tid);
    else if (event.kind !== "signal" && event.kind !== "lost") this.settle(event.tid);
    if (event.kind === "enter") this.open.set(event.tid, event);
    else if (isCall(event)) this.emit(event);
  }

  finish(): void {
    for (const tid of [...this.open.keys()]) this.settle(tid);
  }
}

/** A word as a shell reads it. */
function quoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

export interface FaultOutputOptions extends DecodeOptions {
  readonly isJson: boolean;
}

export class FaultOutput {
  private readonly lines: LineWriter;
  private readonly whole: WholeCalls;
  private said = "";

  constructor(
    private readonly rules: readonly Rule[],
    private readonly command: readonly string[],
    private readonly options: FaultOutputOptions,
  ) {
    const remark = (event: TraceEvent): string => {
      const rule = this.rules.length > 1 ? ` by rule ${ruleOf(event) + 1}` : "";
      return ` (INJECTED #${countOf(event)}${rule})`;
    };
    this.lines = new LineWriter({
      ...options,
      ...{ pidStyle: "always", timeFormat: "none", withDuration: false, resultColumn: RESULT_COLUMN },
      ...{ remark, callsOnly: true },
    });
    this.whole = new WholeCalls((event) => (this.said += `${JSON.stringify(faultObject(event, options))}\n`));
  }

  /** The command that repeats the run. */
  begin(): string {
    const rules = this.rules.map(({ text }) => text);
    if (this.options.isJson) return `${JSON.stringify({ kind: "run", rules, command: this.command })}\n`;
    return `flicker fault ${rules.map(quoted).join(" ")} -- ${this.command.map(quoted).join(" ")}\n`;
  }

  private take(): string {
    const { said } = this;
    this.said = "";
    return said;
  }

  /** @returns what the event adds to the output */
  add(event: TraceEvent): string {
    if (!this.options.isJson) return this.lines.write(event);
    this.whole.add(event);
    return this.take();
  }

  /** @returns as much as can be said of a call that is under way, when nothing else happens */
  idle(): string {
    return this.options.isJson ? "" : this.lines.idle();
  }

  /** @returns what is left to say of calls */
  finish(): string {
    this.whole.finish();
    return this.take() + this.lines.finish();
  }

  /** What all rules came to. */
  summary(sums: readonly number[]): string {
    const counts = countsOf(this.rules, sums);
    if (this.options.isJson) return `${JSON.stringify({ kind: "summary", rules: counts })}\n`;
    const lines = counts.map(({ rule, matched, injected }) => {
      const calls = matched === 1 ? "1 call" : `${matched} calls`;
      return `flicker: ${rule}: ${calls}, ${injected === 1 ? "1 fault" : `${injected} faults`}\n`;
    });
    return lines.join("");
  }
}
