// What a trace tells its hook, as bytes: src/abi/trace-parameters.ts.

import {
  TRACE_CALLS,
  TRACE_CALL_COUNT_SHIFT,
  TRACE_CALL_PATHS_SHIFT,
  TRACE_STEPS,
  TRACE_TEXT_LIMIT,
} from "../../abi/trace-parameters.js";
import { STEP_SIZE } from "../../abi/capture.js";
import { RING_PARAMETERS_SIZE } from "../../abi/ring.js";
import { type CaptureStep, capturePlan, encodePlan } from "../../kernel-interface/capture-plan.js";
import { type Signature, signatures } from "../../kernel-interface/signature.js";

export interface Captured {
  /** Numbers of the calls that are recorded; null: all. */
  readonly calls: ReadonlySet<number> | null;
  /** Whether memory is copied at all: a table of counts needs none. */
  readonly withMemory: boolean;
  /** How many bytes of a text are shown. */
  readonly textLimit: number;
  /** Whether paths of descriptors are wanted. */
  readonly withPaths: boolean;
}

const RESULT = 6;

/** Bit n: argument n is a descriptor. Bit 6: the result is. */
function descriptorsOf(signature: Signature): number {
  return signature.arguments.reduce(
    (mask, { type, direction }, index) => (/^(fd|dirfd)$/.test(type) && direction === "" ? mask | (1 << index) : mask),
    signature.result === "fd" ? 1 << RESULT : 0,
  );
}

export function encodeParameters(captured: Captured): Uint8Array {
  const steps: CaptureStep[] = [];
  const head = Buffer.alloc(TRACE_STEPS);
  // One byte more than is shown, so that a longer text is seen to be one.
  head.writeBigUInt64LE(BigInt(captured.textLimit) + 1n, TRACE_TEXT_LIMIT);
  for (const signature of signatures.values()) {
    if (captured.calls !== null && !captured.calls.has(signature.number)) continue;
    const plan = captured.withMemory ? capturePlan(signature) : [];
    const paths = captured.withPaths ? descriptorsOf(signature) : 0;
    const word = steps.length | (plan.length << TRACE_CALL_COUNT_SHIFT);
    head.writeUInt32LE((word | (paths << TRACE_CALL_PATHS_SHIFT)) >>> 0, TRACE_CALLS + 8 * signature.number);
    steps.push(...plan);
  }
  if (TRACE_STEPS + steps.length * STEP_SIZE > RING_PARAMETERS_SIZE)
    throw new RangeError("more steps than the ring's header has room for");
  return Buffer.concat([head, encodePlan(steps)]);
}
