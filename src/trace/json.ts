// --json: an event as one object on a line, with decoded arguments by their names in the kernel.

import { decodeCall } from "./decode/call.js";
import { type DecodeOptions } from "./decode/context.js";
import { signalName } from "./decode/number.js";
import { resultOf } from "./decode/results.js";
import { signalInfo } from "./decode/signals.js";
import { type EventKind, type TraceEvent } from "./event.js";
import { type Json, valueJson } from "./value.js";

const signal = (number: number): string => {
  const name = signalName(BigInt(number));
  return name === null ? String(number) : `SIG${name}`;
};

/** Seconds since 1970 with nine digits: more than a number of JSON can hold. */
const seconds = (nanoseconds: bigint): string =>
  `${nanoseconds / 1_000_000_000n}.${String(nanoseconds % 1_000_000_000n).padStart(9, "0")}`;

function fieldsOf(event: TraceEvent, options: DecodeOptions): Record<string, Json> {
  switch (event.kind) {
    case "call":
    case "enter":
    case "leave": {
      const { call, said } = decodeCall(event, options);
      const fields: Record<string, Json> = {
        call: call.signature.name,
        arguments: Object.fromEntries(said.map(({ name, value }): [string, Json] => [name, valueJson(value)])),
      };
      if (event.kind === "enter") return fields;
      const { json, error } = resultOf(call);
      fields["result"] = json;
      if (error !== null) fields["error"] = error;
      fields["nanoseconds"] = Number(event.end - event.start);
      return fields;
    }
    case "signal": {
      const info = event.ranges[0]?.bytes;
      return { signal: signal(event.number), ...(info === undefined ? {} : { info: valueJson(signalInfo(info)) }) };
    }
    case "exited":
      return { status: event.number };
    case "killed":
      return { signal: signal(event.number), core: event.result !== 0n };
    case "lost":
      return { events: event.number };
  }
}

/** What every event has, as JSON can say it. What else there is depends on the kind: see fieldsOf. */
export interface EventObject {
  readonly kind: EventKind;
  readonly pid: number;
  readonly tid: number;
  /** Seconds since 1970 with nine digits. */
  readonly time: string;
  /** Of `call`, `enter` and `leave`: the call's name, its arguments by the kernel's names, and what it gave. */
  readonly call?: string;
  readonly arguments?: Readonly<Record<string, Json>>;
  readonly result?: Json;
  /** The error's name: ENOENT. */
  readonly error?: string;
  readonly nanoseconds?: number;
  /** Of `signal` and `killed`: SIGCHLD; of `signal`, its siginfo. */
  readonly signal?: string;
  readonly info?: Json;
  readonly core?: boolean;
  /** Of `exited`. */
  readonly status?: number;
  /** Of `lost`: how many. */
  readonly events?: number;
}

/** The event with decoded arguments. */
export function eventObject(event: TraceEvent, options: DecodeOptions): EventObject {
  const { kind, pid, tid, start } = event;
  return { kind, pid, tid, time: seconds(start), ...fieldsOf(event, options) };
}

/** @returns the line of an event, with its end of line */
export const jsonLine = (event: TraceEvent, options: DecodeOptions): string =>
  `${JSON.stringify(eventObject(event, options))}\n`;
