// An independent proof that patched code means what the original means. It knows nothing of tactics, locks or records: it
// reads bytes, decodes them with iced-x86, and follows jumps.
//
// For each old instruction start `a`, entering the patched code at `a` must do what entering the original at `a` did:
//   * its bytes are unchanged: it does, and what follows is the next start's concern;
//   * or, following unconditional jumps from `a`, one arrives in trampoline memory (or at the branch's own target) at an
//     instruction that is the original one, re-encoded; and if it can fall through, following jumps from behind it meets
//     the way of the next old start.
// A changed byte that belongs to no changed instruction would be a fault, and so would a site that stayed as it was.

import { Code, ConditionCode, Decoder, DecoderOptions, FlowControl, Instruction, OpKind } from "iced-x86";
import { PROT_EXEC, PROT_READ, PROT_WRITE, type SimulatedProcess } from "../../src/host/simulated-process.js";

/** The program's own jumps to jumps count too, and each may be patched. */
const CHAIN_MAX = 64;

export interface Patched {
  process: SimulatedProcess;
  address: bigint;
  original: Uint8Array;
  /** Old instruction starts, offsets, ascending. */
  boundaries: number[];
  /** Sites that were patched by a jump. */
  sites: number[];
}

function decodeBytes(bytes: Uint8Array, address: bigint): Instruction {
  const decoder = new Decoder(64, bytes, DecoderOptions.None);
  decoder.ip = address;
  const instruction = decoder.decode();
  decoder.free();
  return instruction;
}

class Checker {
  private readonly end: bigint;

  constructor(private readonly patched: Patched) {
    this.end = patched.address + BigInt(patched.original.length);
  }

  private fail(what: string, at: bigint): never {
    throw new Error(`${what} at 0x${at.toString(16)} (offset ${at - this.patched.address})`);
  }

  private isInCode(address: bigint): boolean {
    return address >= this.patched.address && address < this.end;
  }

  private read(address: bigint, size: number): Uint8Array {
    const { process } = this.patched;
    let count = 0;
    while (count < size && process.protectionAt(address + BigInt(count)) !== undefined) count++;
    return process.bytesAt(address, count);
  }

  /** The instruction at an address of the patched process, which must be executable and not writable. */
  private at(address: bigint): Instruction {
    const protection = this.patched.process.protectionAt(address);
    if (protection !== (PROT_READ | PROT_EXEC)) this.fail(`jump to memory of protection ${protection}`, address);
    if (protection & PROT_WRITE) this.fail("jump to writable memory", address);
    const bytes = this.read(address, 15);
    const instruction = decodeBytes(bytes, address);
    if (instruction.code === Code.INVALID) this.fail("bytes that do not decode", address);
    if (bytes.subarray(0, instruction.length).includes(0x66) && isJump(instruction) && bytes[0] === 0x66) {
      this.fail("operand size prefix on a jump", address);
    }
    return instruction;
  }

  /** The addresses that control passes from `address` on while it meets nothing but jumps, and the last one. */
  private chain(address: bigint): bigint[] {
    const out = [address];
    for (let i = 0; i < CHAIN_MAX; i++) {
      const last = out[out.length - 1]!;
      const instruction = this.at(last);
      const target = instruction.nearBranchTarget;
      const jumps = isJump(instruction);
      instruction.free();
      if (!jumps) return out;
      if (out.includes(target)) return out; // a loop of the program's own
      out.push(target);
      // The program's own jumps may lead anywhere. An old start whose bytes are as they were is the program again.
      if (this.patched.process.protectionAt(target) !== (PROT_READ | PROT_EXEC)) return out;
      if (this.isInCode(target) && this.isUnchanged(target)) return out;
    }
    return this.fail("jumps without end", address);
  }

  private isUnchanged(address: bigint): boolean {
    const offset = Number(address - this.patched.address);
    const original = decodeBytes(this.patched.original.subarray(offset, offset + 15), address);
    const length = original.length;
    original.free();
    return this.equalBytes(offset, length);
  }

  private equalBytes(offset: number, length: number): boolean {
    const now = this.patched.process.bytesAt(this.patched.address + BigInt(offset), length);
    return now.every((byte, i) => byte === this.patched.original[offset + i]);
  }

  /** Whether following jumps from `from` is the same as going on at the old start `to`. */
  private meets(from: bigint, to: bigint): boolean {
    const way = this.chain(from);
    if (way.includes(to)) return true;
    if (!this.isInCode(to)) return false;
    const expected = this.chain(to);
    return way.some((address) => expected.includes(address) && !this.isInCode(address));
  }

  private checkInstruction(offset: number, length: number): void {
    const start = this.patched.address + BigInt(offset);
    const original = decodeBytes(this.patched.original.subarray(offset, offset + length), start);
    try {
      const call = isCall(original) ? this.callInPlace(start, length) : undefined;
      if (call !== undefined) {
        this.checkCall(original, call, start);
        return;
      }
      const way = this.chain(start);
      if (isJump(original)) {
        if (!way.includes(original.nearBranchTarget)) this.fail("a relocated jump does not reach its target", start);
        return;
      }
      const last = way[way.length - 1]!;
      if (this.isInCode(last)) this.fail("a patched instruction does not lead to a trampoline", start);
      const moved = this.at(last);
      try {
        this.checkMoved(original, moved, start);
      } finally {
        moved.free();
      }
    } finally {
      original.free();
    }
  }

  /** Where a `call` that was put in a call's place leads; it pushes the old return address, so its size is the old one. */
  private callInPlace(start: bigint, length: number): bigint | undefined {
    const instruction = this.at(start);
    const target = instruction.nearBranchTarget;
    const isInPlace = instruction.flowControl === FlowControl.Call && instruction.op0Kind === OpKind.NearBranch64;
    if (isInPlace && instruction.length !== length) this.fail("a call pushes another return address", start);
    instruction.free();
    return isInPlace ? target : undefined;
  }

  /** A trampoline that was called jumps where the original call went. */
  private checkCall(original: Instruction, trampoline: bigint, start: bigint): void {
    const way = this.chain(trampoline);
    if (this.isInCode(trampoline)) this.fail("a call does not lead to a trampoline", start);
    if (original.op0Kind === OpKind.NearBranch64) {
      if (!way.includes(original.nearBranchTarget)) this.fail("a call goes astray", start);
      return;
    }
    const last = this.at(way[way.length - 1]!);
    if (last.flowControl !== FlowControl.IndirectBranch) this.fail("a called trampoline does not jump on", start);
    if (original.isIpRelMemoryOperand && original.ipRelMemoryAddress !== last.ipRelMemoryAddress) {
      this.fail("a call reads another pointer", start);
    }
    last.free();
  }

  private checkMoved(original: Instruction, moved: Instruction, start: bigint): void {
    const next = start + BigInt(original.length);
    const after = moved.ip + BigInt(moved.length);
    const flow = original.flowControl;
    if (isLoop(original)) {
      if (moved.mnemonic !== original.mnemonic || moved.op0Register !== original.op0Register) {
        this.fail("a loop became something else", start);
      }
      if (moved.code !== original.code) this.fail("a loop counts in another register", start);
      if (!this.meets(after, next)) this.fail("a loop that ends goes astray", start);
      if (!this.chain(moved.nearBranchTarget).includes(original.nearBranchTarget))
        this.fail("a loop goes astray", start);
      return;
    }
    if (original.conditionCode !== ConditionCode.None && original.isJccShortOrNear) {
      if (!moved.isJccShortOrNear || moved.conditionCode !== original.conditionCode) {
        this.fail("a conditional jump has another condition", start);
      }
      if (moved.nearBranchTarget !== original.nearBranchTarget) this.fail("a conditional jump goes astray", start);
    } else {
      this.checkSame(original, moved, start);
    }
    const goesOn =
      flow !== FlowControl.Return && flow !== FlowControl.UnconditionalBranch && flow !== FlowControl.IndirectBranch;
    if (goesOn && !this.meets(after, next)) this.fail("the way back goes astray", start);
  }

  /** Equal but for what depends on the place: compared with the place taken out. */
  private checkSame(original: Instruction, moved: Instruction, start: bigint): void {
    if (original.isIpRelMemoryOperand) {
      if (!moved.isIpRelMemoryOperand) this.fail("an operand is no longer RIP-relative", start);
      if (moved.ipRelMemoryAddress !== original.ipRelMemoryAddress) this.fail("a RIP-relative operand moved", start);
    }
    if (original.code !== moved.code) this.fail("a relocated instruction is another one", start);
    if (original.opCount > 0 && original.op0Kind === OpKind.NearBranch64) {
      if (moved.nearBranchTarget !== original.nearBranchTarget) this.fail("a branch target moved", start);
      return;
    }
    const offset = Number(start - this.patched.address);
    const a = Uint8Array.from(this.patched.original.subarray(offset, offset + original.length));
    const b = this.read(moved.ip, moved.length);
    if (original.isIpRelMemoryOperand) {
      blankDisplacement(original, a);
      blankDisplacement(moved, b);
    }
    if (a.length !== b.length || !a.every((byte, i) => byte === b[i])) {
      this.fail(`relocated bytes differ: ${Buffer.from(a).toString("hex")}, ${Buffer.from(b).toString("hex")}`, start);
    }
  }

  run(): void {
    const { boundaries, original, sites } = this.patched;
    const siteSet = new Set(sites);
    const accounted = new Uint8Array(original.length);
    for (let i = 0; i < boundaries.length; i++) {
      const offset = boundaries[i]!;
      const start = this.patched.address + BigInt(offset);
      const instruction = decodeBytes(original.subarray(offset, offset + 15), start);
      const length = instruction.length;
      instruction.free();
      if (offset + length > original.length) continue;
      const unchanged = this.equalBytes(offset, length);
      if (siteSet.has(offset) && unchanged) this.fail("a patched site is unchanged", start);
      if (unchanged) continue;
      accounted.fill(1, offset, offset + length);
      this.checkInstruction(offset, length);
    }
    const now = this.patched.process.bytesAt(this.patched.address, original.length);
    for (let i = 0; i < original.length; i++) {
      if (now[i] !== original[i] && !accounted[i])
        this.fail("a byte of no instruction changed", this.patched.address + BigInt(i));
    }
  }
}

function isJump(instruction: Instruction): boolean {
  return instruction.flowControl === FlowControl.UnconditionalBranch && instruction.op0Kind === OpKind.NearBranch64;
}

function isCall(instruction: Instruction): boolean {
  return instruction.flowControl === FlowControl.Call || instruction.flowControl === FlowControl.IndirectCall;
}

function isLoop(instruction: Instruction): boolean {
  return instruction.isJcxShort || instruction.isLoop || instruction.isLoopcc;
}

function blankDisplacement(instruction: Instruction, bytes: Uint8Array): void {
  const decoder = new Decoder(64, bytes, DecoderOptions.None);
  decoder.ip = instruction.ip;
  const decoded = decoder.decode();
  const offsets = decoder.getConstantOffsets(decoded);
  bytes.fill(0, offsets.displacementOffset, offsets.displacementOffset + offsets.displacementSize);
  offsets.free();
  decoded.free();
  decoder.free();
}

/** Throws when the patched code can behave differently from the original, other than at its sites' trampolines. */
export function checkPatched(patched: Patched): void {
  new Checker(patched).run();
}

/** Instruction starts of code by linear decoding; bytes that do not decode are skipped one by one. */
export function linearBoundaries(code: Uint8Array, address: bigint): { offset: number; length: number; code: Code }[] {
  const decoder = new Decoder(64, code, DecoderOptions.None);
  decoder.ip = address;
  const out: { offset: number; length: number; code: Code }[] = [];
  const instruction = new Instruction();
  while (decoder.canDecode) {
    const offset = decoder.position;
    decoder.decodeOut(instruction);
    if (instruction.code === Code.INVALID) {
      decoder.position = offset + 1;
      decoder.ip = address + BigInt(offset + 1);
      continue;
    }
    out.push({ offset, length: instruction.length, code: instruction.code });
  }
  instruction.free();
  decoder.free();
  return out;
}
