// Which additions of a constant never wrap around: `load(TABLE + x)` may then have TABLE in the instruction's displacement.
//
// Addresses of wasm are 32 bits, and TABLE + x is taken modulo 2^32; `TABLE(%r15,%rax)` is not. The two are the same
// when x is small enough, and usually it is: a byte that was loaded, a masked or shifted value. So every i32 has an upper
// bound, as an unsigned number: that of the operator which made it; for a local, the largest of all that are written to
// it. A counter grows without bound, so comparisons with a constant narrow what is known of a local where they hold, until
// it is written: `for (let i = 0; i < 100; i++) load(TABLE + i)`.

import type { FunctionBody, Instruction } from "../wasm/function-body.js";
import type { FunctionType } from "../wasm/module.js";

const MOST = 0xffffffff;
const MOST_SIGNED = 0x7fffffff;
/** Rounds until what still grows is taken to be any number that is not negative, and as many until it is unbounded. */
const ROUNDS = 4;

/** An upper bound, and the value where that is known. */
interface Value {
  readonly most: number;
  readonly constant: boolean;
}
const UNKNOWN: Value = { most: MOST, constant: false };
const upTo = (most: number): Value => (most > MOST ? UNKNOWN : { most, constant: false });

interface Frame {
  readonly opener: Instruction | null;
  readonly height: number;
  readonly results: number[];
  /** Locals that a comparison bounds inside, since it held at the start or on the way. */
  readonly narrowed: Map<number, number>;
}

/** `local <= most` holds on the way that a comparison with a constant chooses. */
interface Guard {
  readonly local: number;
  readonly most: number;
}

/** What the condition in front of a branch says of a local when it is `holds`. Signed comparisons need a bound of it. */
function guardOf(
  instructions: readonly Instruction[],
  branch: number,
  holds: boolean,
  bounds: readonly number[],
): Guard | null {
  let at = branch - 1;
  let isTrue = holds;
  for (; instructions[at]?.name === "i32.eqz"; at--) isTrue = !isTrue;
  const [first, second, comparison] = [instructions[at - 2], instructions[at - 1], instructions[at]];
  const match = /^i32\.([lg])([te])_([su])$/.exec(comparison?.name ?? "");
  if (match === null || first === undefined || second === undefined) return null;
  const isReversed = first.name === "i32.const";
  const [local, constant] = isReversed ? [second, first] : [first, second];
  const isSigned = match[3] === "s";
  // A tee takes its value from the instruction before, so it can only be the first.
  if (local.name !== "local.get" && (isReversed || local.name !== "local.tee")) return null;
  const limit = constant.name === "i32.const" ? constant.index : isSigned ? MOST_SIGNED : MOST;
  if (constant.name !== "i32.const" && constant.name !== "local.get") return null;
  // Bring it to the form local < limit or local <= limit.
  const isLess = ((match[1] === "l") === isTrue) !== isReversed;
  if (!isLess || (isSigned && (limit > MOST_SIGNED || (bounds[local.index] as number) > MOST_SIGNED))) return null;
  const isStrict = (match[2] === "t") === isTrue;
  return isStrict && limit === 0 ? null : { local: local.index, most: isStrict ? limit - 1 : limit };
}

/** The indices of `i32.add` whose sum, taken without wrapping, is below 2^32. */
export function findSums(body: FunctionBody): ReadonlySet<number> {
  const { instructions, localTypes } = body;
  const bounds: number[] = localTypes.map((_, local) => (local < body.wasm.type.params.length ? MOST : 0));
  for (let round = 0; ; round++) {
    const sums = new Set<number>();
    const before = [...bounds];
    flow(instructions, body.wasm.type, bounds, sums);
    const grown = bounds.map((bound, local) => bound !== before[local]);
    if (!grown.includes(true)) return sums;
    if (round < ROUNDS) continue;
    for (const [local, has] of grown.entries()) {
      if (has) bounds[local] = round < 2 * ROUNDS && (bounds[local] as number) <= MOST_SIGNED ? MOST_SIGNED : MOST;
    }
  }
}

/** One pass over the function with these bounds of locals, which grow by what is written to them. */
function flow(instructions: readonly Instruction[], type: FunctionType, bounds: number[], sums: Set<number>): void {
  const stack: Value[] = [];
  const frames: Frame[] = [{ opener: null, height: 0, results: type.results.map(() => 0), narrowed: new Map() }];
  const pop = (): Value => stack.pop() ?? UNKNOWN;
  const arrive = (target: number): void => {
    const opener = instructions[target];
    if (opener?.name === "loop") return;
    const frame = frames.find((candidate) => candidate.opener === (opener ?? null)) as Frame;
    const first = stack.length - frame.results.length;
    for (const [i, most] of frame.results.entries()) {
      frame.results[i] = Math.max(most, stack[first + i]?.most ?? MOST);
    }
  };
  const forget = (local: number): void => {
    for (const { narrowed } of frames) narrowed.delete(local);
  };
  const narrow = (guard: Guard | null): void => {
    if (guard !== null) frames[frames.length - 1]?.narrowed.set(guard.local, guard.most);
  };
  const write = (local: number, { most }: Value): void => {
    forget(local);
    bounds[local] = Math.max(bounds[local] as number, most);
  };

  for (const [at, instruction] of instructions.entries()) {
    const { name, index } = instruction;
    switch (name) {
      case "nop":
      case "unreachable":
      case "return":
        break;
      case "block":
      case "loop":
      case "if": {
        if (name === "if") pop();
        const { params, results } = instruction.type as FunctionType;
        stack.length -= params.length;
        if (name === "loop") {
          for (let i = at; i < instruction.partner; i++) {
            const inside = instructions[i] as Instruction;
            if (inside.name === "local.set" || inside.name === "local.tee") forget(inside.index);
          }
        }
        frames.push({ opener: instruction, height: stack.length, results: results.map(() => 0), narrowed: new Map() });
        if (name === "if") narrow(guardOf(instructions, at, true, bounds));
        for (const _ of params) stack.push(UNKNOWN);
        break;
      }
      case "else": {
        const frame = frames[frames.length - 1] as Frame;
        if (instruction.reachable) arrive(instruction.elseAt);
        frame.narrowed.clear();
        narrow(guardOf(instructions, instruction.elseAt, false, bounds));
        stack.length = frame.height;
        for (const _ of (frame.opener?.type as FunctionType).params) stack.push(UNKNOWN);
        break;
      }
      case "end": {
        const frame = frames.pop() as Frame;
        if (frame.opener === null) break;
        const { results } = frame;
        const isPassedOn = frame.opener.name === "if" && frame.opener.elseAt === -1;
        const last = stack.slice(stack.length - results.length);
        stack.length = frame.height;
        for (const [i, most] of results.entries()) {
          if (isPassedOn || frame.opener.name === "loop") stack.push(UNKNOWN);
          else stack.push(upTo(instruction.reachable ? Math.max(most, last[i]?.most ?? MOST) : most));
        }
        break;
      }
      case "br":
        arrive(instruction.target);
        break;
      case "br_if":
        pop();
        arrive(instruction.target);
        narrow(guardOf(instructions, at, false, bounds));
        break;
      case "br_table":
        pop();
        for (const target of new Set(instruction.targets)) arrive(target);
        break;
      case "call":
      case "call_indirect": {
        const { params, results } = instruction.type as FunctionType;
        stack.length -= params.length + (name === "call" ? 0 : 1);
        for (const _ of results) stack.push(UNKNOWN);
        break;
      }
      case "drop":
        pop();
        break;
      case "select":
      case "select_t": {
        pop();
        const otherwise = pop();
        stack.push(upTo(Math.max(pop().most, otherwise.most)));
        break;
      }
      case "local.get":
        stack.push(
          upTo(
            frames.reduce((most, { narrowed }) => Math.min(most, narrowed.get(index) ?? MOST), bounds[index] as number),
          ),
        );
        break;
      case "local.set":
        write(index, pop());
        break;
      case "local.tee":
        write(index, stack[stack.length - 1] ?? UNKNOWN);
        break;
      case "global.get":
        stack.push(UNKNOWN);
        break;
      case "global.set":
        pop();
        break;
      case "i32.const":
        stack.push({ most: index, constant: true });
        break;
      default: {
        const { operands, result } = instruction.operator;
        const given = stack.splice(stack.length - operands.length);
        if (name === "i32.add" && given.reduce((sum, { most }) => sum + most, 0) <= MOST) sums.add(at);
        if (result !== null) stack.push(result === "i32" ? resultOf(name, given) : UNKNOWN);
      }
    }
  }
}

/** The next power of two, less one: what an `or` of such numbers can be. */
const allOnes = (most: number): number => (most === 0 ? 0 : 2 ** (32 - Math.clz32(most)) - 1);

function resultOf(name: string, [left = UNKNOWN, right = UNKNOWN]: readonly Value[]): Value {
  switch (name) {
    case "i32.load8_u":
      return upTo(0xff);
    case "i32.load16_u":
      return upTo(0xffff);
    case "i32.and":
      return upTo(Math.min(left.most, right.most));
    case "i32.or":
    case "i32.xor":
      return upTo(allOnes(Math.max(left.most, right.most)));
    case "i32.add":
      return upTo(left.most + right.most);
    case "i32.mul":
      return upTo(left.most * right.most);
    case "i32.shl":
      return right.constant ? upTo(left.most * 2 ** (right.most & 31)) : UNKNOWN;
    case "i32.shr_u":
      return right.constant ? upTo(left.most >>> (right.most & 31)) : upTo(left.most);
    case "i32.div_u":
      return upTo(left.most);
    case "i32.rem_u":
      return upTo(Math.min(left.most, Math.max(right.most - 1, 0)));
    case "i32.clz":
    case "i32.ctz":
    case "i32.popcnt":
      return upTo(32);
    default:
      return /\.(eqz|eq|ne|[lg][te]_[su])$/.test(name) ? upTo(1) : UNKNOWN;
  }
}
