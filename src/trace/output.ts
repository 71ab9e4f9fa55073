// All that a trace shows of its events, by the options of whoever asked: lines, JSON or a table, of the calls, signals and
// results that -e lets through. A recorder hands its events in and writes what comes out.

import { signatures } from "../kernel-interface/signature.js";
import { type TraceEvent } from "./event.js";
import { type Status, TraceFilter, statuses } from "./filter.js";
import { jsonLine } from "./json.js";
import { type LineOptions, LineWriter } from "./lines.js";
import { Summary } from "./summary.js";

export interface TraceOptions extends LineOptions {
  /** What stood behind each -e. */
  readonly expressions: readonly string[];
  readonly format: "lines" | "json" | "summary";
}

const isCall = ({ kind }: TraceEvent): boolean => kind === "call" || kind === "enter" || kind === "leave";

export class TraceOutput {
  private readonly filter: TraceFilter;
  private readonly lines: LineWriter;
  private readonly summary = new Summary();

  /** @throws FilterError when an expression means nothing */
  constructor(private readonly options: TraceOptions) {
    this.filter = new TraceFilter(options.expressions);
    this.lines = new LineWriter(options);
  }

  /** Numbers of the calls that a recorder has to look at; null: all. */
  get callNumbers(): ReadonlySet<number> | null {
    return this.filter.callNumbers;
  }

  /** How a call ended is known when it has: only then is it said, whole. */
  private isByStatus(): boolean {
    return !statuses.every((status) => this.filter.showsStatus(status));
  }

  private isShown(event: TraceEvent): boolean {
    if (event.kind === "signal") return this.filter.showsSignal(event.number);
    if (!isCall(event)) return true;
    if (!this.filter.showsCall(event.number)) return false;
    if (!this.isByStatus()) return true;
    const status: Status =
      event.kind === "enter" ? "unfinished" : event.result < 0n && event.result > -4096n ? "failed" : "successful";
    return this.filter.showsStatus(status) && (event.kind !== "enter" || isWithoutReturn(event.number));
  }

  /** @returns what the event adds to the output */
  add(event: TraceEvent): string {
    if (!this.isShown(event)) return "";
    const whole: TraceEvent = event.kind === "leave" && this.isByStatus() ? { ...event, kind: "call" } : event;
    switch (this.options.format) {
      case "lines":
        return this.lines.write(whole);
      case "json":
        // What a call was entered with is said again when it returns.
        return whole.kind === "enter" && !isWithoutReturn(whole.number) ? "" : jsonLine(whole, this.options);
      case "summary":
        this.summary.add(whole);
        return "";
    }
  }

  /** @returns as much as can be said of a call that is under way, when nothing else happens */
  idle(): string {
    return this.options.format === "lines" ? this.lines.idle() : "";
  }

  /** @returns what is left to say when the trace ends */
  finish(): string {
    return this.options.format === "summary" ? this.summary.text() : this.lines.finish();
  }
}

const WITHOUT_RETURN = new Set(["exit", "exit_group"]);
const isWithoutReturn = (number: number): boolean => WITHOUT_RETURN.has(signatures.get(number)?.name ?? "");
