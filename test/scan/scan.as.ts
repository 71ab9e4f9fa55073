// The scanner as a module for Node: a copy of code is weighed in linear memory.

import "../../src/engine/assertion";
import { weigh } from "../../src/engine/scan/evidence";

const code = memory.data(512, 8);
const boundary = memory.data(512, 8);

export function codeBuffer(): usize {
  return code;
}
export function boundaryBuffer(): usize {
  return boundary;
}
export function weighAt(size: u32, offset: u32): u32 {
  memory.fill(boundary, 0, 512);
  return weigh(code, size, offset, boundary, 0);
}
