// The scanner as a module for Node: a copy of code is weighed in linear memory.

import "../../src/engine/assertion";
import { weigh } from "../../src/engine/scan/evidence";

const code = memory.data(512, 8);

export function codeBuffer(): usize {
  return code;
}
export function weighAt(size: u32, offset: u32): u32 {
  return weigh(code, size, offset);
}
