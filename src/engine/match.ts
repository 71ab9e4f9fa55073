// Which instructions are sites besides system calls: what `--match CLASS` names.

import { equalsText } from "./text";
import { ACCESS_READ, ACCESS_WRITE, FACTS_SIZE, Facts, describe } from "./x86/facts";
import {
  FLOW_CALL_INDIRECT,
  FLOW_CALL_RELATIVE,
  FLOW_JUMP_CONDITIONAL,
  FLOW_JUMP_INDIRECT,
  FLOW_JUMP_RELATIVE,
  FLOW_LOOP,
  FLOW_RETURN,
  Instruction,
} from "./x86/instruction";

export const MATCH_NONE: u32 = 0;
const MATCH_ALL: u32 = 1;
const MATCH_JUMP: u32 = 2;
const MATCH_COND: u32 = 3;
const MATCH_CALL: u32 = 4;
const MATCH_RET: u32 = 5;
const MATCH_LOAD: u32 = 6;
const MATCH_STORE: u32 = 7;

/** The class of a name (zero-terminated engine pointer), or MATCH_NONE. */
export function matchClassOf(name: usize): u32 {
  if (equalsText(name, "all")) return MATCH_ALL;
  if (equalsText(name, "jump")) return MATCH_JUMP;
  if (equalsText(name, "cond")) return MATCH_COND;
  if (equalsText(name, "call")) return MATCH_CALL;
  if (equalsText(name, "ret")) return MATCH_RET;
  if (equalsText(name, "load")) return MATCH_LOAD;
  if (equalsText(name, "store")) return MATCH_STORE;
  return MATCH_NONE;
}

const facts = changetype<Facts>(memory.data(FACTS_SIZE, 8));

function isConditional(flow: u8): bool {
  return flow == FLOW_JUMP_CONDITIONAL || flow == FLOW_LOOP;
}

/** Whether an instruction is of a class. `code` is the engine pointer of its bytes. */
export function isOfClass(matchClass: u32, instruction: Instruction, code: usize): bool {
  const flow = instruction.flow;
  switch (matchClass) {
    case MATCH_ALL:
      return true;
    case MATCH_JUMP:
      return isConditional(flow) || flow == FLOW_JUMP_RELATIVE || flow == FLOW_JUMP_INDIRECT;
    case MATCH_COND:
      return isConditional(flow);
    case MATCH_CALL:
      return flow == FLOW_CALL_RELATIVE || flow == FLOW_CALL_INDIRECT;
    case MATCH_RET:
      return flow == FLOW_RETURN;
    default: {
      // Operands that are spelled out: a push or a call stores, too, and is not meant.
      describe(code, changetype<usize>(instruction), changetype<usize>(facts));
      const access = facts.memoryAccess | facts.rsiAccess | facts.rdiAccess | facts.otherAccess;
      return (access & (matchClass == MATCH_STORE ? ACCESS_WRITE : ACCESS_READ)) != 0;
    }
  }
}
