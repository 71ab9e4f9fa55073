// What `flicker fault` tells its hook, as bytes: src/abi/fault-parameters.ts.

import * as abi from "../../abi/fault-parameters.js";
import { RING_PARAMETERS_SIZE } from "../../abi/ring.js";
import { TRACE_CALLS } from "../../abi/trace-parameters.js";
import { type Signature, signatures } from "../../kernel-interface/signature.js";
import { type Captured, encodeParameters } from "../trace/parameters.js";
import { type PathArgument, descriptorsOf, numberOf, pathsOf, sizeOf } from "./calls.js";
import { type Rule, RuleError, U64_MAX } from "./rule.js";

function pathBits(path: PathArgument | undefined): number {
  return path === undefined ? 0 : abi.FAULT_PATH | path.argument | ((path.directory ?? abi.FAULT_NOTHING) << 3);
}

/** The upper half of a call's word. */
function aboutCall(signature: Signature): number {
  const [first, second] = pathsOf(signature);
  const size = sizeOf(signature);
  const single = size?.single ?? null;
  const fields: readonly (readonly [shift: number, value: number])[] = [
    [abi.FAULT_PATH_SHIFT, pathBits(first)],
    [abi.FAULT_SECOND_PATH_SHIFT, pathBits(second)],
    [abi.FAULT_SIZE_SHIFT, size?.argument ?? abi.FAULT_NOTHING],
    [abi.FAULT_DESCRIPTORS_SHIFT, descriptorsOf(signature).reduce((mask, argument) => mask | (1 << argument), 0)],
    [abi.FAULT_SINGLE_SHIFT, single === null ? abi.FAULT_NO_SINGLE : numberOf(single)],
  ];
  return fields.reduce((word, [shift, value]) => word | (value << (shift - 32)), 0) >>> 0;
}

const flagsOf = (rule: Rule): number =>
  (rule.result === null ? 0 : abi.FAULT_GIVES) |
  (rule.short === null ? 0 : abi.FAULT_IS_SHORT) |
  (rule.probability === null || rule.probability === 1 ? 0 : abi.FAULT_BY_CHANCE) |
  (rule.pattern === null ? 0 : abi.FAULT_BY_PATH) |
  (rule.isOfTree ? abi.FAULT_BY_TREE : 0) |
  ((rule.signal ?? 0) << abi.FAULT_SIGNAL_SHIFT);

/** A probability as so many of 2^64: doubles have 53 bits. */
const chanceOf = (probability: number): bigint => BigInt(Math.round(probability * 2 ** 53)) << 11n;

function encodeRule(bytes: Buffer, rule: Rule): void {
  for (const number of rule.calls) if (number < 512) bytes[abi.FAULT_CALLS + (number >> 3)]! |= 1 << (number & 7);
  const words: readonly (readonly [offset: number, value: bigint])[] = [
    [abi.FAULT_FLAGS, BigInt(flagsOf(rule))],
    [abi.FAULT_RESULT, BigInt.asUintN(64, rule.result ?? 0n)],
    [abi.FAULT_SIZE, rule.short ?? 0n],
    [abi.FAULT_DELAY, rule.delay],
    [abi.FAULT_DELAY_EXIT, rule.delayExit],
    [abi.FAULT_FIRST, rule.first],
    [abi.FAULT_LAST, rule.last],
    [abi.FAULT_STEP, rule.step],
    [abi.FAULT_CHANCE, rule.probability === null || rule.probability === 1 ? U64_MAX : chanceOf(rule.probability)],
    [abi.FAULT_SEED, rule.seed],
  ];
  for (const [offset, value] of words) bytes.writeBigUInt64LE(value, offset);
}

/** Numbers of the calls that the hook has to see. */
export const callsOf = (rules: readonly Rule[]): ReadonlySet<number> =>
  new Set(rules.flatMap((rule) => [...rule.calls]));

/** @throws RuleError when the rules are too many or their patterns too long */
export function encodeRules(rules: readonly Rule[], captured: Omit<Captured, "calls">): Uint8Array {
  const calls = callsOf(rules);
  const bytes = Buffer.alloc(RING_PARAMETERS_SIZE);
  // What a vector's call becomes is recorded when it returns.
  const singles = [...signatures.values()].flatMap((signature) => {
    const single = calls.has(signature.number) ? (sizeOf(signature)?.single ?? null) : null;
    return single === null ? [] : [numberOf(single)];
  });
  const capture = encodeParameters({ ...captured, calls: new Set([...calls, ...singles]) });
  if (capture.length > abi.FAULT_RULE_COUNT)
    throw new RangeError("more steps than there is room for in front of rules");
  bytes.set(capture);
  for (const signature of signatures.values())
    if (calls.has(signature.number)) bytes.writeUInt32LE(aboutCall(signature), TRACE_CALLS + 8 * signature.number + 4);
  bytes.writeBigUInt64LE(BigInt(rules.length), abi.FAULT_RULE_COUNT);
  let end = abi.FAULT_PATTERNS;
  rules.forEach((rule, index) => {
    const whole = [rule.text, 0, rule.text.length] as const;
    if (index >= abi.FAULT_RULES_MAX) throw new RuleError(`more than ${abi.FAULT_RULES_MAX} rules`, ...whole);
    const place = bytes.subarray(abi.FAULT_RULES + index * abi.FAULT_RULE_SIZE);
    encodeRule(place, rule);
    const pattern = Buffer.from(rule.pattern ?? "");
    if (end + pattern.length > bytes.length) throw new RuleError("the paths of all rules are too long", ...whole);
    place.writeBigUInt64LE(BigInt(end), abi.FAULT_PATTERN);
    place.writeBigUInt64LE(BigInt(pattern.length), abi.FAULT_PATTERN_SIZE);
    end += bytes.write(rule.pattern ?? "", end);
  });
  return bytes;
}
