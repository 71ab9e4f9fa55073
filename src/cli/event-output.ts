// What commands that show a program's events have in common: where the lines go, and how this process ends.

import { openSync, writeFileSync, writeSync } from "node:fs";
import type { Listener, Outcome, TraceSession } from "../host/trace/session.js";
import type { TraceEvent } from "../trace/event.js";
import { warn } from "./message.js";
import { PASSED_ON } from "./pass-signals.js";

/** Where lines go: gathered, and written when the events that are there have been said. */
export class Sink {
  private text = "";
  isBroken = false;

  constructor(
    private readonly descriptor: number,
    private readonly encoding: BufferEncoding,
    private readonly what: string,
  ) {}

  add(text: string): void {
    this.text += text;
    if (this.text.length > 1 << 16) this.flush();
  }

  flush(): void {
    if (this.text === "") return;
    const bytes = Buffer.from(this.text, this.encoding);
    this.text = "";
    for (let at = 0; at < bytes.length && !this.isBroken;) {
      try {
        at += writeSync(this.descriptor, bytes, at);
      } catch (error) {
        const { code, message } = error as NodeJS.ErrnoException;
        if (code === "EAGAIN") Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1);
        else {
          this.isBroken = true;
          if (code !== "EPIPE") warn(`the ${this.what} cannot be written: ${message}`);
        }
      }
    }
  }
}

/** Says events as lines in a sink. @param stop is called when nobody reads them any more */
export function listenTo(
  output: { add(event: TraceEvent): string; idle(): string },
  sink: Sink,
  stop: () => void,
): Listener {
  return {
    event: (event) => sink.add(output.add(event)),
    flush: () => {
      sink.flush();
      if (sink.isBroken) stop();
    },
    idle: () => {
      sink.add(output.idle());
      sink.flush();
    },
  };
}

/** The file of -o cannot be had, as one line for the user. */
export class OutputError extends Error {}

/** Writes a whole file. */
export function writeOutput(file: string, contents: Buffer | string): void {
  try {
    writeFileSync(file, contents);
  } catch (error) {
    throw new OutputError(`${file}: ${(error as Error).message}`, { cause: error });
  }
}

export function openOutput(file: string): number {
  try {
    return openSync(file, "w", 0o666);
  } catch (error) {
    throw new OutputError(`${file}: ${(error as Error).message}`, { cause: error });
  }
}

/**
 * The end of the run. As strace: with a file of its own for the output it leaves signals to the program, else it passes them on.
 * Whoever sends a second one wants this to end as well.
 */
export async function waitFor(session: TraceSession, hasFile: boolean): Promise<Outcome> {
  let leave = (_: Outcome): void => undefined;
  const left = new Promise<Outcome>((resolve) => (leave = resolve));
  let received = 0;
  const onSignal = (signal: NodeJS.Signals): void => {
    if (hasFile) return;
    session.kill(signal);
    if (++received === 1) return;
    session.stop();
    leave({ status: null, signal });
  };
  for (const signal of PASSED_ON) process.on(signal, onSignal);
  await session.follow();
  const outcome = await Promise.race([session.ended, left]);
  for (const signal of PASSED_ON) process.off(signal, onSignal);
  return outcome;
}

/** Ends this process as the program has ended. */
export function endAs({ status, signal }: Outcome): void {
  if (signal === null) {
    process.exitCode = status ?? 0;
    return;
  }
  // Node opens its debugger at a SIGUSR1 that it has never handled itself.
  const handler = (): void => undefined;
  if (signal === "SIGUSR1") process.on(signal, handler).off(signal, handler);
  process.kill(process.pid, signal);
}
