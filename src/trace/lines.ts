// Events as the lines that strace writes. A call that has been entered is held until it returns, so that it is one line, or
// until something else comes: then it is `<unfinished ...>`, and its rest comes as `<... resumed>`.

import { constantSet } from "../kernel-interface/constant-set.js";
import { signalName } from "./decode/number.js";
import { type SaidArgument, decodeCall } from "./decode/call.js";
import { type DecodeOptions } from "./decode/context.js";
import { resultOf } from "./decode/results.js";
import { signalInfo } from "./decode/signals.js";
import { type TraceEvent } from "./event.js";
import { valueText } from "./value.js";

/** -t, -tt, -ttt and -r. */
export type TimeFormat = "none" | "seconds" | "microseconds" | "epoch" | "relative";

export interface LineOptions extends DecodeOptions {
  /**
   * How a line says whose it is: not at all; as in a file (`1234  `); as on a terminal (`[pid  1234] `), when there are
   * several; so always. */
  readonly pidStyle: "none" | "file" | "terminal" | "always";
  readonly timeFormat: TimeFormat;
  /** -T: the time that the call took. */
  readonly withDuration: boolean;
  /** -a: the column of the result. */
  readonly resultColumn: number;
  /** What is said behind a result. */
  readonly remark?: (event: TraceEvent) => string;
  /** Neither signals nor ends are said. */
  readonly callsOnly?: boolean;
}

export const RESULT_COLUMN = 40;

const NANOSECONDS = 1_000_000_000n;
const micros = (nanoseconds: bigint): string => String((nanoseconds % NANOSECONDS) / 1000n).padStart(6, "0");
const two = (number: number): string => String(number).padStart(2, "0");

export const durationText = (nanoseconds: bigint): string => ` <${nanoseconds / NANOSECONDS}.${micros(nanoseconds)}>`;

function join(parts: readonly SaidArgument[]): string {
  return parts.map(({ label, value }) => (label === "" ? "" : `${label}=`) + valueText(value)).join(", ");
}

/** A call without its thread and times. */
interface Words {
  /** The call up to its closing parenthesis. */
  readonly text: string;
  readonly result: string;
}
/** Of so many calls the words are remembered. */
const WORDS_MAX = 4096;
/** So often a call is looked up before it is known whether that is worthwhile: one in four must have been said before. */
const TRIALS = 256;

/** Words of calls by the events' keys. A loop says the same again and again; a program that walks through files never does. */
class WordMemory {
  private readonly words = new Map<string, Words>();
  private readonly tried = new Uint32Array(512);
  private readonly found = new Uint32Array(512);

  isWorthwhile(number: number): boolean {
    return number < 512 && (this.tried[number]! < TRIALS || this.found[number]! * 4 > this.tried[number]!);
  }

  recall(number: number, key: string): Words | undefined {
    const words = this.words.get(key);
    this.tried[number]!++;
    if (words !== undefined) this.found[number]!++;
    return words;
  }

  keep(key: string, words: Words): void {
    if (this.words.size === WORDS_MAX) this.words.clear();
    this.words.set(key, words);
  }
}

interface Held {
  readonly event: TraceEvent;
  /** As far as it has been said. */
  readonly line: string;
  /** How many arguments that is. */
  readonly count: number;
}

export class LineWriter {
  /** The call that has been entered last, if nothing has come since. */
  private held: Held | null = null;
  /** Calls that were said to be unfinished, by thread. */
  private readonly unfinished = new Map<number, Held>();
  private last: bigint | null = null;
  private readonly memory = new WordMemory();
  /** Threads that have been seen and have not ended. */
  private readonly threads = new Set<number>();
  /** How much of the line that is held has been given out: it has been waited for. */
  private given = 0;

  constructor(private readonly options: LineOptions) {}

  private time(nanoseconds: bigint): string {
    const date = new Date(Number(nanoseconds / 1_000_000n));
    const clock = [date.getHours(), date.getMinutes(), date.getSeconds()].map(two).join(":");
    switch (this.options.timeFormat) {
      case "none":
        return "";
      case "seconds":
        return `${clock} `;
      case "microseconds":
        return `${clock}.${micros(nanoseconds)} `;
      case "epoch":
        return `${nanoseconds / NANOSECONDS}.${micros(nanoseconds)} `;
      case "relative": {
        const past = this.last === null ? 0n : nanoseconds - this.last;
        this.last = nanoseconds;
        return `${String(past / NANOSECONDS).padStart(6)}.${micros(past)} `;
      }
    }
  }

  /** @param isAtEnd whether the line is of what happened last */
  private head(event: TraceEvent, isAtEnd = false): string {
    const { pidStyle, timeFormat } = this.options;
    const time = timeFormat === "none" ? "" : this.time(isAtEnd ? event.end : event.start);
    if (pidStyle === "file") return `${String(event.tid).padEnd(5)} ${time}`;
    if (pidStyle === "none" || (pidStyle === "terminal" && this.threads.size < 2)) return time;
    return `[pid ${String(event.tid).padStart(5)}] ${time}`;
  }

  private result(line: string, result: string, event: TraceEvent, returns = true): string {
    const padded = `${line}) `.padEnd(this.options.resultColumn);
    const time = this.options.withDuration && returns ? durationText(event.end - event.start) : "";
    return `${padded}= ${result}${this.options.remark?.(event) ?? ""}${time}\n`;
  }

  private wordsOf(event: TraceEvent): Words {
    const key = this.memory.isWorthwhile(event.number) ? (event.key ?? "") : "";
    const known = key === "" ? undefined : this.memory.recall(event.number, key);
    if (known !== undefined) return known;
    const { call, said } = decodeCall(event, this.options);
    const words = { text: `${call.signature.name}(${join(said)}`, result: resultOf(call).text };
    if (key !== "") this.memory.keep(key, words);
    return words;
  }

  /** What was held is unfinished. */
  private interrupt(): string {
    if (this.held === null) return "";
    const { line, event } = this.held;
    this.unfinished.set(event.tid, this.held);
    this.held = null;
    return this.rest(`${line} <unfinished ...>\n`);
  }

  /** What of a line that was held has not been given out. */
  private rest(line: string): string {
    const { given } = this;
    this.given = 0;
    return line.slice(given);
  }

  /** What is held, when nothing has come for a while: a program that waits is seen to wait. */
  idle(): string {
    if (this.held === null) return "";
    const { given } = this;
    this.given = this.held.line.length;
    return this.held.line.slice(given);
  }

  private enter(event: TraceEvent): string {
    const before = this.interrupt();
    const { call, said } = decodeCall(event, this.options);
    const late = said.findIndex((part) => !part.isEarly);
    const count = late < 0 ? said.length : late;
    const comma = count > 0 && late >= 0 ? ", " : "";
    const line = `${this.head(event)}${call.signature.name}(${join(said.slice(0, count))}${comma}`;
    this.held = { event, line, count };
    return before;
  }

  /** The line of a call that has not been interrupted, or the rest of one that was. */
  private begun(event: TraceEvent): Held {
    const held = this.held;
    if (held?.event.tid === event.tid) {
      this.held = null;
      return held;
    }
    const unfinished = this.unfinished.get(event.tid);
    this.unfinished.delete(event.tid);
    const { call } = decodeCall(event, this.options);
    const resumed = `${this.head(event, true)}<... ${call.signature.name} resumed>`;
    return { event, line: resumed, count: unfinished?.count ?? 0 };
  }

  private leave(event: TraceEvent): string {
    const before = this.held?.event.tid === event.tid ? "" : this.interrupt();
    const { line, count } = this.begun(event);
    const { call, said } = decodeCall(event, this.options);
    const whole = this.result(line + join(said.slice(count)), resultOf(call).text, event);
    return before + this.rest(whole);
  }

  private call(event: TraceEvent): string {
    const before = this.interrupt();
    const { text, result } = this.wordsOf(event);
    const line = this.head(event) + text;
    return before + this.result(line, result, event);
  }

  /** A call that will not return: its thread has ended. */
  private ended(event: TraceEvent): string {
    const isOpen = this.held?.event.tid === event.tid || this.unfinished.has(event.tid);
    if (!isOpen) return this.interrupt();
    const before = this.held?.event.tid === event.tid ? "" : this.interrupt();
    const entered = this.held?.event ?? this.unfinished.get(event.tid)!.event;
    const { line, count } = this.begun({ ...entered, end: event.start });
    const { said } = decodeCall(entered, this.options);
    return before + this.rest(this.result(line + join(said.slice(count)), "?", entered, false));
  }

  private signalLine(event: TraceEvent): string {
    const info = event.ranges[0]?.bytes;
    const name = signalName(BigInt(event.number));
    const said = info === undefined ? "" : ` ${valueText(signalInfo(info))}`;
    return `--- ${name === null ? event.number : `SIG${name}`}${said} ---`;
  }

  /** @returns whole lines, or nothing yet */
  write(event: TraceEvent): string {
    this.threads.add(event.tid);
    const text = this.textOf(event);
    if (event.kind === "exited" || event.kind === "killed") this.threads.delete(event.tid);
    return text;
  }

  private textOf(event: TraceEvent): string {
    const line = (text: string): string => `${this.head(event)}${text}\n`;
    const end = (text: string): string => (this.options.callsOnly ? "" : line(text));
    switch (event.kind) {
      case "call":
        return this.call(event);
      case "enter":
        return this.enter(event);
      case "leave":
        return this.leave(event);
      case "signal": {
        if (this.options.callsOnly) return "";
        const before = this.interrupt();
        return before + line(this.signalLine(event));
      }
      case "exited":
        return this.ended(event) + end(`+++ exited with ${event.number} +++`);
      case "killed": {
        const name = constantSet("signal").names.get(BigInt(event.number)) ?? `SIG${signalName(BigInt(event.number))}`;
        const core = event.result === 0n ? "" : " (core dumped)";
        return this.ended(event) + end(`+++ killed by ${name}${core} +++`);
      }
      case "lost": {
        const before = this.interrupt();
        return `${before}flicker: ${event.number} events were lost: the program was faster than what shows them\n`;
      }
    }
  }

  /** What is left when the trace ends. */
  finish(): string {
    return this.interrupt();
  }
}
