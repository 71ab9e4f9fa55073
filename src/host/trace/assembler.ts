// From the ring's records to events: a call's record of its return has what the record of its beginning has as well, and of what
// ends, the kernel tells somebody else (a parent, or the host).

import {
  EVENT_ENTER,
  EVENT_EXITED,
  EVENT_KIND,
  EVENT_LEAVE,
  EVENT_NUMBER,
  EVENT_RESULT,
  EVENT_STARTED,
} from "../../abi/trace-event.js";
import { RecordedCall, type TraceEvent, decodeEvent } from "../../trace/event.js";
import type { RingRecord } from "../ring/ring.js";

/** include/uapi/asm-generic/siginfo.h and arch/x86: where a SIGCHLD says who ended, and how. */
const SIGCHLD = 17;
const SIGINFO_CODE = 8;
const SIGINFO_PID = 16;
const SIGINFO_STATUS = 24;
const CLD_KILLED = 2;
const CLD_DUMPED = 3;

const SYS_EXECVE = 59;
const SYS_EXECVEAT = 322;
const SYS_WAIT4 = 61;

interface Process {
  readonly threads: Set<number>;
  /** The number of the signal that was delivered last: it may be what ends the process. */
  signal: number;
}

export class EventAssembler {
  private readonly entered = new Map<number, TraceEvent>();
  /** The record of the call that was entered last: if its end comes next, it is one event. */
  private pending: Buffer | null = null;
  /** Whose it is. */
  private pendingThread = 0;
  private readonly processes = new Map<number, Process>();

  constructor(private readonly emit: (event: TraceEvent) => void) {}

  /** Processes that were there and have not said that they end. */
  get running(): Iterable<number> {
    return this.processes.keys();
  }

  addProcess(pid: number): void {
    if (!this.processes.has(pid)) this.processes.set(pid, { threads: new Set([pid]), signal: 0 });
  }

  private processOf(pid: number): Process {
    this.addProcess(pid);
    return this.processes.get(pid)!;
  }

  /** A record that the tracing hook or the engine has written. */
  add(record: RingRecord): void {
    const { content, pid, tid } = record;
    const kind = content[EVENT_KIND]!;
    if (kind === EVENT_ENTER) {
      this.flush();
      this.noteThread(pid, tid);
      this.pending = content;
      this.pendingThread = tid;
      return;
    }
    if (kind === EVENT_LEAVE && this.pending !== null && this.pendingThread === tid) {
      const call = new RecordedCall(this.pending, content);
      this.pending = null;
      this.returned(call, pid);
      this.emit(call);
      return;
    }
    this.flush();
    if (kind === EVENT_STARTED) {
      this.addProcess(content.readUInt32LE(EVENT_NUMBER));
      return;
    }
    const decoded = decodeEvent(content);
    if (decoded === null) return;
    const { event } = decoded;
    const process = this.noteThread(pid, tid);
    if (kind === EVENT_EXITED) return this.exit(event, process, content);
    if (kind === EVENT_LEAVE) return this.leave(event, process);
    if (event.kind === "signal") {
      process.signal = event.number;
      if (event.number === SIGCHLD) this.childEnded(event);
    }
    this.emit(event);
  }

  private noteThread(pid: number, tid: number): Process {
    const process = this.processOf(pid);
    process.threads.add(tid);
    return process;
  }

  /** The call that was entered last is under way: nothing more is known at the moment. What it refers to must not be lost. */
  flush(): void {
    if (this.pending === null) return;
    const decoded = decodeEvent(Uint8Array.from(this.pending));
    this.pending = null;
    if (decoded === null) return;
    this.entered.set(decoded.event.tid, decoded.event);
    this.emit(decoded.event);
  }

  /** The end of a call that was said to be under way. */
  private leave(event: TraceEvent, process: Process): void {
    let begun = this.entered.get(event.tid);
    if (begun === undefined && event.number === SYS_EXECVE) begun = this.takeExecve(event, process);
    this.entered.delete(event.tid);
    if (begun === undefined) return;
    const { start, number, arguments: given } = begun;
    const whole = { ...event, start, number, arguments: given, ranges: [...begun.ranges, ...event.ranges] };
    this.returned(whole, event.pid);
    this.emit(whole);
  }

  /** What a call's result says of processes and threads. */
  private returned(call: TraceEvent, pid: number): void {
    if (call.number === SYS_WAIT4) this.waited(call);
    if (call.number === SYS_EXECVE && call.result === 0n) this.forgetThreads(call.tid, this.processOf(pid));
  }

  /** An execve of another thread than the first: that thread has the first one's number now. */
  private takeExecve(event: TraceEvent, process: Process): TraceEvent | undefined {
    for (const tid of process.threads) {
      const begun = this.entered.get(tid);
      if (begun?.number !== SYS_EXECVE && begun?.number !== SYS_EXECVEAT) continue;
      this.entered.delete(tid);
      return { ...begun, tid: event.tid };
    }
    return undefined;
  }

  private forgetThreads(left: number, process: Process): void {
    for (const tid of process.threads) {
      if (tid === left) continue;
      process.threads.delete(tid);
      this.entered.delete(tid);
    }
  }

  private exit(event: TraceEvent, process: Process, content: Buffer): void {
    this.flush();
    const isWhole = content[EVENT_RESULT] === 1;
    const others = isWhole ? [...process.threads].filter((tid) => tid !== event.tid && tid !== event.pid) : [];
    const last = isWhole && event.tid !== event.pid && process.threads.has(event.pid) ? [event.pid] : [];
    for (const tid of [...others, event.tid, ...last]) {
      process.threads.delete(tid);
      this.entered.delete(tid);
      this.emit({ ...event, tid, result: 0n });
    }
    if (process.threads.size === 0) this.processes.delete(event.pid);
  }

  /** A SIGCHLD says of a child that a signal has ended it. */
  private childEnded(event: TraceEvent): void {
    const info = event.ranges[0]?.bytes;
    if (info === undefined || info.length < SIGINFO_STATUS + 4) return;
    const view = new DataView(info.buffer, info.byteOffset, info.length);
    const code = view.getInt32(SIGINFO_CODE, true);
    if (code !== CLD_KILLED && code !== CLD_DUMPED) return;
    this.killed(
      view.getUint32(SIGINFO_PID, true),
      view.getInt32(SIGINFO_STATUS, true),
      code === CLD_DUMPED,
      event.start,
    );
  }

  /** What wait4 says of a child. */
  private waited(event: TraceEvent): void {
    if (event.result <= 0n) return;
    const range = event.ranges.find(({ when, address }) => when === "exit" && address === event.arguments[1]);
    if (range === undefined || range.bytes.length < 4) return;
    const status = range.bytes[0]! | (range.bytes[1]! << 8);
    const signal = status & 0x7f;
    if (signal !== 0 && signal !== 0x7f) this.killed(Number(event.result), signal, (status & 0x80) !== 0, event.end);
  }

  /** A signal has ended a process. */
  killed(pid: number, signal: number, hasCore: boolean, time: bigint): void {
    const process = this.processes.get(pid);
    if (process === undefined) return;
    this.flush();
    const event: TraceEvent = {
      ...{ kind: "killed", pid, tid: pid, number: signal, start: time, end: time, result: hasCore ? 1n : 0n },
      ...{ arguments: [], ranges: [] },
    };
    const SIGKILL = 9;
    if (process.signal !== signal && signal !== SIGKILL) this.emit({ ...event, kind: "signal" });
    const others = [...process.threads].filter((tid) => tid !== pid);
    for (const tid of [...others, pid]) {
      this.entered.delete(tid);
      this.emit({ ...event, tid });
    }
    this.processes.delete(pid);
  }

  /** A process is gone and nobody has said how. */
  forget(pid: number): void {
    this.processes.delete(pid);
  }
}
