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

const WITHOUT_RETURN = new Set(["exit", "exit_group"]);
const isWithoutReturn = (number: number): boolean => WITHOUT_RETURN.has(signatures.get(number)?.name ?? "");

/** How a call ended is known when it has: only then is it said, whole. */
const isByStatus = (filter: TraceFilter): boolean => !statuses.every((status) => filter.showsStatus(status));

function isShown(filter: TraceFilter, event: TraceEvent): boolean {
  if (event.kind === "signal") return filter.showsSignal(event.number);
  if (!isCall(event)) return true;
  if (!filter.showsCall(event.number)) return false;
  if (!isByStatus(filter)) return true;
  const status: Status =
    event.kind === "enter" ? "unfinished" : event.result < 0n && event.result > -4096n ? "failed" : "successful";
  return filter.showsStatus(status) && (event.kind !== "enter" || isWithoutReturn(event.number));
}

/** @returns the event as it is shown, null when the filter does not let it through */
export function shownBy(filter: TraceFilter, event: TraceEvent): TraceEvent | null {
  if (!isShown(filter, event)) return null;
  return event.kind === "leave" && isByStatus(filter) ? { ...event, kind: "call" } : event;
}

/** Whether what is known of a call so far is said again when it returns. */
export const isSaidLater = (event: TraceEvent): boolean => event.kind === "enter" && !isWithoutReturn(event.number);

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

  /** @returns what the event adds to the output */
  add(event: TraceEvent): string {
    const whole = shownBy(this.filter, event);
    if (whole === null) return "";
    switch (this.options.format) {
      case "lines":
        return this.lines.write(whole);
      case "json":
        return isSaidLater(whole) ? "" : jsonLine(whole, this.options);
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
