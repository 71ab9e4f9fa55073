// A traced run: a program under the launcher with the tracing hook, and the events that come out of its ring.

import { type ChildProcess, spawn } from "node:child_process";
import { constants } from "node:os";
import { join } from "node:path";
import { setImmediate as nextTurn, setTimeout as sleep } from "node:timers/promises";
import { type TraceEvent } from "../../trace/event.js";
import { findHookedLauncher } from "../hook/hooked-launcher.js";
import { Ring, isThread } from "../ring/ring.js";
import { EventAssembler } from "./assembler.js";
import { type Captured, encodeParameters } from "./parameters.js";

export interface TraceSettings extends Captured {
  /** Threads and children too. */
  readonly isFollowing: boolean;
  /** The program waits for what shows its events, rather than that events are lost. */
  readonly isLossless: boolean;
  /** Events have times. */
  readonly hasTimes: boolean;
  /** Bytes of events that fit. */
  readonly ringSize?: number;
  /** All that the hook is told, if it is another one than that of a trace. */
  readonly parameters?: Uint8Array;
}

/** How the program ended: one of the two. */
export interface Outcome {
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
}

export const RING_SIZE = 16 << 20;
const POLL_MIN_MS = 1;
const POLL_MAX_MS = 20;
/** So long nothing may come before what is under way is shown. */
const IDLE_MS = 40;
/** How often those that the kernel may have ended are asked for, once the first program is gone. */
const ASK_MS = 50;

export const findTraceLauncher = (root: string, warn: (line: string) => void): Promise<string> =>
  findHookedLauncher(root, [join(root, "src/hooks/trace.ts")], warn);

export interface Listener {
  event(event: TraceEvent): void;
  /** What has been said so far should be seen. No more is read before it has been. */
  flush(): void | Promise<void>;
  /** Nothing has happened for a while. */
  idle(): void;
}

export class TraceSession {
  private readonly ring: Ring;
  private readonly child: ChildProcess;
  private readonly assembler: EventAssembler;
  private hasEnded = false;
  private killedBy: NodeJS.Signals | null = null;
  /** How the program ended. */
  readonly ended: Promise<Outcome>;
  private isStopped = false;
  /** What hooks have added to the ring's sums, once the events have been followed to their end. */
  sums: readonly number[] = [];

  /**
   * Starts the program, with the standard descriptors of this process.
   * @throws RingError when there is no memory for events
   */
  constructor(
    launcher: string,
    command: readonly string[],
    settings: TraceSettings,
    private readonly listener: Listener,
  ) {
    this.assembler = new EventAssembler((event) => listener.event(event));
    this.ring = Ring.create({
      size: settings.ringSize ?? RING_SIZE,
      isLossless: settings.isLossless,
      isFollowing: settings.isFollowing,
      hasTimes: settings.hasTimes,
      hasEvents: true,
      showsExecve: settings.parameters === undefined,
      calls: settings.calls,
      parameters: settings.parameters ?? encodeParameters(settings),
    });
    this.child = spawn(launcher, ["run", `--ring=${this.ring.option}`, "--", ...command], { stdio: "inherit" });
    if (this.child.pid !== undefined) this.assembler.addProcess(this.child.pid);
    this.ended = new Promise((resolve, reject) => {
      this.child.on("error", reject);
      this.child.on("exit", (status, signal) => {
        this.hasEnded = true;
        this.killedBy = signal;
        resolve({ status, signal });
      });
    });
  }

  /** Sends the program a signal. */
  kill(signal: NodeJS.Signals): void {
    this.child.kill(signal);
  }

  /** Reads no more: the program goes on by itself. */
  stop(): void {
    this.isStopped = true;
  }

  /** Hands out events until the traced processes have ended, or somebody stops it. */
  async follow(): Promise<void> {
    try {
      // A launcher that cannot be started ends the wait.
      await Promise.race([this.poll(), this.ended.then(() => new Promise<never>(() => undefined))]);
    } finally {
      this.isStopped = true;
      this.sums = this.ring.sums();
      this.ring.close();
    }
  }

  private drain(): boolean {
    const isNew = this.ring.read((record) => this.assembler.add(record));
    this.assembler.flush();
    const lost = this.ring.takeLost();
    if (lost > 0) this.listener.event(lostEvent(lost));
    return isNew;
  }

  private async poll(): Promise<void> {
    let delay = POLL_MIN_MS;
    let quiet = 0;
    let asked = 0;
    while (!this.isStopped) {
      // Seen before the ring is read: what a program writes before it ends is in the ring by then.
      const { hasEnded } = this;
      if (this.drain()) {
        delay = POLL_MIN_MS;
        quiet = 0;
        await this.listener.flush();
        await nextTurn();
        continue;
      }
      if (hasEnded && this.tellEnd()) return this.listener.flush();
      if (hasEnded && performance.now() - asked > ASK_MS) {
        asked = performance.now();
        for (const pid of [...this.assembler.running]) if (!isThread(pid)) this.assembler.forget(pid);
        continue;
      }
      if (quiet < IDLE_MS && quiet + delay >= IDLE_MS) this.listener.idle();
      quiet += delay;
      await sleep(delay);
      delay = Math.min(2 * delay, POLL_MAX_MS);
    }
  }

  /** The first program has ended. @returns whether all have */
  private tellEnd(): boolean {
    const pid = this.child.pid ?? 0;
    if (this.killedBy !== null) {
      this.assembler.killed(pid, constants.signals[this.killedBy], false, BigInt(Date.now()) * 1_000_000n);
    }
    this.assembler.forget(pid);
    return [...this.assembler.running].length === 0;
  }
}

function lostEvent(count: number): TraceEvent {
  const time = BigInt(Date.now()) * 1_000_000n;
  return {
    ...{ kind: "lost", pid: 0, tid: 0, number: count, start: time, end: time, result: 0n },
    ...{ arguments: [], ranges: [] },
  };
}
