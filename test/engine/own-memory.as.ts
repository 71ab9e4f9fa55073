// The engine's list of its own memory, for Node.

import "../../src/engine/assertion";
import { foreignEnd, foreignStart } from "../../src/engine/own-memory";

export { claimMemory, hasOwnMemory, nextForeign, releaseMemory } from "../../src/engine/own-memory";

export function startOfForeign(): u64 {
  return foreignStart;
}
export function endOfForeign(): u64 {
  return foreignEnd;
}
