// The operators of WebAssembly that the backend reads: opcode, name, what the immediate is, operand and result types.
// https://webassembly.github.io/spec/core/binary/instructions.html, and for 0xfe the threads proposal.
//
// One row per operator. `0xfc08` is the prefix 0xfc followed by 8. Immediates: `block` a block type, `label` a depth,
// `labels` a br_table vector, `function`, `indirect` (type, table), `local`, `global`, `memory` (alignment, offset),
// `i32`, `i64`, `f32`, `f64`, `zero` one reserved byte, `zeros` two, `data` (segment, reserved byte), `segment`. A `?` instead of
// types says that they depend on the immediate or on the operands.

export type Type = "i32" | "i64" | "f32" | "f64";

export type ImmediateKind =
  | ("none" | "block" | "label" | "labels" | "function" | "indirect" | "local" | "global")
  | ("memory" | "i32" | "i64" | "f32" | "f64" | "zero" | "zeros" | "data" | "segment" | "types");

export interface Operator {
  readonly code: number;
  readonly name: string;
  readonly immediate: ImmediateKind;
  readonly operands: readonly Type[];
  /** At most one. */
  readonly result: Type | null;
  /** False where the types depend on more than the operator. */
  readonly typed: boolean;
}

const TABLE = `
0x00    unreachable                 none      ?
0x01    nop                         none      ?
0x02    block                       block     ?
0x03    loop                        block     ?
0x04    if                          block     ?
0x05    else                        none      ?
0x0b    end                         none      ?
0x0c    br                          label     ?
0x0d    br_if                       label     ?
0x0e    br_table                    labels    ?
0x0f    return                      none      ?
0x10    call                        function  ?
0x11    call_indirect               indirect  ?
0x1a    drop                        none      ?
0x1b    select                      none      ?
0x1c    select_t                    types     ?
0x20    local.get                   local     ?
0x21    local.set                   local     ?
0x22    local.tee                   local     ?
0x23    global.get                  global    ?
0x24    global.set                  global    ?
0x28    i32.load                    memory    i32 -> i32
0x29    i64.load                    memory    i32 -> i64
0x2a    f32.load                    memory    i32 -> f32
0x2b    f64.load                    memory    i32 -> f64
0x2c    i32.load8_s                 memory    i32 -> i32
0x2d    i32.load8_u                 memory    i32 -> i32
0x2e    i32.load16_s                memory    i32 -> i32
0x2f    i32.load16_u                memory    i32 -> i32
0x30    i64.load8_s                 memory    i32 -> i64
0x31    i64.load8_u                 memory    i32 -> i64
0x32    i64.load16_s                memory    i32 -> i64
0x33    i64.load16_u                memory    i32 -> i64
0x34    i64.load32_s                memory    i32 -> i64
0x35    i64.load32_u                memory    i32 -> i64
0x36    i32.store                   memory    i32 i32 ->
0x37    i64.store                   memory    i32 i64 ->
0x38    f32.store                   memory    i32 f32 ->
0x39    f64.store                   memory    i32 f64 ->
0x3a    i32.store8                  memory    i32 i32 ->
0x3b    i32.store16                 memory    i32 i32 ->
0x3c    i64.store8                  memory    i32 i64 ->
0x3d    i64.store16                 memory    i32 i64 ->
0x3e    i64.store32                 memory    i32 i64 ->
0x3f    memory.size                 zero      -> i32
0x40    memory.grow                 zero      i32 -> i32
0x41    i32.const                   i32       -> i32
0x42    i64.const                   i64       -> i64
0x43    f32.const                   f32       -> f32
0x44    f64.const                   f64       -> f64
0x45    i32.eqz                     none      i32 -> i32
0x46    i32.eq                      none      i32 i32 -> i32
0x47    i32.ne                      none      i32 i32 -> i32
0x48    i32.lt_s                    none      i32 i32 -> i32
0x49    i32.lt_u                    none      i32 i32 -> i32
0x4a    i32.gt_s                    none      i32 i32 -> i32
0x4b    i32.gt_u                    none      i32 i32 -> i32
0x4c    i32.le_s                    none      i32 i32 -> i32
0x4d    i32.le_u                    none      i32 i32 -> i32
0x4e    i32.ge_s                    none      i32 i32 -> i32
0x4f    i32.ge_u                    none      i32 i32 -> i32
0x50    i64.eqz                     none      i64 -> i32
0x51    i64.eq                      none      i64 i64 -> i32
0x52    i64.ne                      none      i64 i64 -> i32
0x53    i64.lt_s                    none      i64 i64 -> i32
0x54    i64.lt_u                    none      i64 i64 -> i32
0x55    i64.gt_s                    none      i64 i64 -> i32
0x56    i64.gt_u                    none      i64 i64 -> i32
0x57    i64.le_s                    none      i64 i64 -> i32
0x58    i64.le_u                    none      i64 i64 -> i32
0x59    i64.ge_s                    none      i64 i64 -> i32
0x5a    i64.ge_u                    none      i64 i64 -> i32
0x5b    f32.eq                      none      f32 f32 -> i32
0x5c    f32.ne                      none      f32 f32 -> i32
0x5d    f32.lt                      none      f32 f32 -> i32
0x5e    f32.gt                      none      f32 f32 -> i32
0x5f    f32.le                      none      f32 f32 -> i32
0x60    f32.ge                      none      f32 f32 -> i32
0x61    f64.eq                      none      f64 f64 -> i32
0x62    f64.ne                      none      f64 f64 -> i32
0x63    f64.lt                      none      f64 f64 -> i32
0x64    f64.gt                      none      f64 f64 -> i32
0x65    f64.le                      none      f64 f64 -> i32
0x66    f64.ge                      none      f64 f64 -> i32
0x67    i32.clz                     none      i32 -> i32
0x68    i32.ctz                     none      i32 -> i32
0x69    i32.popcnt                  none      i32 -> i32
0x6a    i32.add                     none      i32 i32 -> i32
0x6b    i32.sub                     none      i32 i32 -> i32
0x6c    i32.mul                     none      i32 i32 -> i32
0x6d    i32.div_s                   none      i32 i32 -> i32
0x6e    i32.div_u                   none      i32 i32 -> i32
0x6f    i32.rem_s                   none      i32 i32 -> i32
0x70    i32.rem_u                   none      i32 i32 -> i32
0x71    i32.and                     none      i32 i32 -> i32
0x72    i32.or                      none      i32 i32 -> i32
0x73    i32.xor                     none      i32 i32 -> i32
0x74    i32.shl                     none      i32 i32 -> i32
0x75    i32.shr_s                   none      i32 i32 -> i32
0x76    i32.shr_u                   none      i32 i32 -> i32
0x77    i32.rotl                    none      i32 i32 -> i32
0x78    i32.rotr                    none      i32 i32 -> i32
0x79    i64.clz                     none      i64 -> i64
0x7a    i64.ctz                     none      i64 -> i64
0x7b    i64.popcnt                  none      i64 -> i64
0x7c    i64.add                     none      i64 i64 -> i64
0x7d    i64.sub                     none      i64 i64 -> i64
0x7e    i64.mul                     none      i64 i64 -> i64
0x7f    i64.div_s                   none      i64 i64 -> i64
0x80    i64.div_u                   none      i64 i64 -> i64
0x81    i64.rem_s                   none      i64 i64 -> i64
0x82    i64.rem_u                   none      i64 i64 -> i64
0x83    i64.and                     none      i64 i64 -> i64
0x84    i64.or                      none      i64 i64 -> i64
0x85    i64.xor                     none      i64 i64 -> i64
0x86    i64.shl                     none      i64 i64 -> i64
0x87    i64.shr_s                   none      i64 i64 -> i64
0x88    i64.shr_u                   none      i64 i64 -> i64
0x89    i64.rotl                    none      i64 i64 -> i64
0x8a    i64.rotr                    none      i64 i64 -> i64
0x8b    f32.abs                     none      f32 -> f32
0x8c    f32.neg                     none      f32 -> f32
0x8d    f32.ceil                    none      f32 -> f32
0x8e    f32.floor                   none      f32 -> f32
0x8f    f32.trunc                   none      f32 -> f32
0x90    f32.nearest                 none      f32 -> f32
0x91    f32.sqrt                    none      f32 -> f32
0x92    f32.add                     none      f32 f32 -> f32
0x93    f32.sub                     none      f32 f32 -> f32
0x94    f32.mul                     none      f32 f32 -> f32
0x95    f32.div                     none      f32 f32 -> f32
0x96    f32.min                     none      f32 f32 -> f32
0x97    f32.max                     none      f32 f32 -> f32
0x98    f32.copysign                none      f32 f32 -> f32
0x99    f64.abs                     none      f64 -> f64
0x9a    f64.neg                     none      f64 -> f64
0x9b    f64.ceil                    none      f64 -> f64
0x9c    f64.floor                   none      f64 -> f64
0x9d    f64.trunc                   none      f64 -> f64
0x9e    f64.nearest                 none      f64 -> f64
0x9f    f64.sqrt                    none      f64 -> f64
0xa0    f64.add                     none      f64 f64 -> f64
0xa1    f64.sub                     none      f64 f64 -> f64
0xa2    f64.mul                     none      f64 f64 -> f64
0xa3    f64.div                     none      f64 f64 -> f64
0xa4    f64.min                     none      f64 f64 -> f64
0xa5    f64.max                     none      f64 f64 -> f64
0xa6    f64.copysign                none      f64 f64 -> f64
0xa7    i32.wrap_i64                none      i64 -> i32
0xa8    i32.trunc_f32_s             none      f32 -> i32
0xa9    i32.trunc_f32_u             none      f32 -> i32
0xaa    i32.trunc_f64_s             none      f64 -> i32
0xab    i32.trunc_f64_u             none      f64 -> i32
0xac    i64.extend_i32_s            none      i32 -> i64
0xad    i64.extend_i32_u            none      i32 -> i64
0xae    i64.trunc_f32_s             none      f32 -> i64
0xaf    i64.trunc_f32_u             none      f32 -> i64
0xb0    i64.trunc_f64_s             none      f64 -> i64
0xb1    i64.trunc_f64_u             none      f64 -> i64
0xb2    f32.convert_i32_s           none      i32 -> f32
0xb3    f32.convert_i32_u           none      i32 -> f32
0xb4    f32.convert_i64_s           none      i64 -> f32
0xb5    f32.convert_i64_u           none      i64 -> f32
0xb6    f32.demote_f64              none      f64 -> f32
0xb7    f64.convert_i32_s           none      i32 -> f64
0xb8    f64.convert_i32_u           none      i32 -> f64
0xb9    f64.convert_i64_s           none      i64 -> f64
0xba    f64.convert_i64_u           none      i64 -> f64
0xbb    f64.promote_f32             none      f32 -> f64
0xbc    i32.reinterpret_f32         none      f32 -> i32
0xbd    i64.reinterpret_f64         none      f64 -> i64
0xbe    f32.reinterpret_i32         none      i32 -> f32
0xbf    f64.reinterpret_i64         none      i64 -> f64
0xc0    i32.extend8_s               none      i32 -> i32
0xc1    i32.extend16_s              none      i32 -> i32
0xc2    i64.extend8_s               none      i64 -> i64
0xc3    i64.extend16_s              none      i64 -> i64
0xc4    i64.extend32_s              none      i64 -> i64
0xfc00  i32.trunc_sat_f32_s         none      f32 -> i32
0xfc01  i32.trunc_sat_f32_u         none      f32 -> i32
0xfc02  i32.trunc_sat_f64_s         none      f64 -> i32
0xfc03  i32.trunc_sat_f64_u         none      f64 -> i32
0xfc04  i64.trunc_sat_f32_s         none      f32 -> i64
0xfc05  i64.trunc_sat_f32_u         none      f32 -> i64
0xfc06  i64.trunc_sat_f64_s         none      f64 -> i64
0xfc07  i64.trunc_sat_f64_u         none      f64 -> i64
0xfc08  memory.init                 data      i32 i32 i32 ->
0xfc09  data.drop                   segment   ->
0xfc0a  memory.copy                 zeros     i32 i32 i32 ->
0xfc0b  memory.fill                 zero      i32 i32 i32 ->
0xfe03  atomic.fence                zero      ->
0xfe10  i32.atomic.load             memory    i32 -> i32
0xfe11  i64.atomic.load             memory    i32 -> i64
0xfe12  i32.atomic.load8_u          memory    i32 -> i32
0xfe13  i32.atomic.load16_u         memory    i32 -> i32
0xfe14  i64.atomic.load8_u          memory    i32 -> i64
0xfe15  i64.atomic.load16_u         memory    i32 -> i64
0xfe16  i64.atomic.load32_u         memory    i32 -> i64
0xfe17  i32.atomic.store            memory    i32 i32 ->
0xfe18  i64.atomic.store            memory    i32 i64 ->
0xfe19  i32.atomic.store8           memory    i32 i32 ->
0xfe1a  i32.atomic.store16          memory    i32 i32 ->
0xfe1b  i64.atomic.store8           memory    i32 i64 ->
0xfe1c  i64.atomic.store16          memory    i32 i64 ->
0xfe1d  i64.atomic.store32          memory    i32 i64 ->
0xfe1e  i32.atomic.rmw.add          memory    i32 i32 -> i32
0xfe1f  i64.atomic.rmw.add          memory    i32 i64 -> i64
0xfe20  i32.atomic.rmw8.add_u       memory    i32 i32 -> i32
0xfe21  i32.atomic.rmw16.add_u      memory    i32 i32 -> i32
0xfe22  i64.atomic.rmw8.add_u       memory    i32 i64 -> i64
0xfe23  i64.atomic.rmw16.add_u      memory    i32 i64 -> i64
0xfe24  i64.atomic.rmw32.add_u      memory    i32 i64 -> i64
0xfe25  i32.atomic.rmw.sub          memory    i32 i32 -> i32
0xfe26  i64.atomic.rmw.sub          memory    i32 i64 -> i64
0xfe27  i32.atomic.rmw8.sub_u       memory    i32 i32 -> i32
0xfe28  i32.atomic.rmw16.sub_u      memory    i32 i32 -> i32
0xfe29  i64.atomic.rmw8.sub_u       memory    i32 i64 -> i64
0xfe2a  i64.atomic.rmw16.sub_u      memory    i32 i64 -> i64
0xfe2b  i64.atomic.rmw32.sub_u      memory    i32 i64 -> i64
0xfe2c  i32.atomic.rmw.and          memory    i32 i32 -> i32
0xfe2d  i64.atomic.rmw.and          memory    i32 i64 -> i64
0xfe2e  i32.atomic.rmw8.and_u       memory    i32 i32 -> i32
0xfe2f  i32.atomic.rmw16.and_u      memory    i32 i32 -> i32
0xfe30  i64.atomic.rmw8.and_u       memory    i32 i64 -> i64
0xfe31  i64.atomic.rmw16.and_u      memory    i32 i64 -> i64
0xfe32  i64.atomic.rmw32.and_u      memory    i32 i64 -> i64
0xfe33  i32.atomic.rmw.or           memory    i32 i32 -> i32
0xfe34  i64.atomic.rmw.or           memory    i32 i64 -> i64
0xfe35  i32.atomic.rmw8.or_u        memory    i32 i32 -> i32
0xfe36  i32.atomic.rmw16.or_u       memory    i32 i32 -> i32
0xfe37  i64.atomic.rmw8.or_u        memory    i32 i64 -> i64
0xfe38  i64.atomic.rmw16.or_u       memory    i32 i64 -> i64
0xfe39  i64.atomic.rmw32.or_u       memory    i32 i64 -> i64
0xfe3a  i32.atomic.rmw.xor          memory    i32 i32 -> i32
0xfe3b  i64.atomic.rmw.xor          memory    i32 i64 -> i64
0xfe3c  i32.atomic.rmw8.xor_u       memory    i32 i32 -> i32
0xfe3d  i32.atomic.rmw16.xor_u      memory    i32 i32 -> i32
0xfe3e  i64.atomic.rmw8.xor_u       memory    i32 i64 -> i64
0xfe3f  i64.atomic.rmw16.xor_u      memory    i32 i64 -> i64
0xfe40  i64.atomic.rmw32.xor_u      memory    i32 i64 -> i64
0xfe41  i32.atomic.rmw.xchg         memory    i32 i32 -> i32
0xfe42  i64.atomic.rmw.xchg         memory    i32 i64 -> i64
0xfe43  i32.atomic.rmw8.xchg_u      memory    i32 i32 -> i32
0xfe44  i32.atomic.rmw16.xchg_u     memory    i32 i32 -> i32
0xfe45  i64.atomic.rmw8.xchg_u      memory    i32 i64 -> i64
0xfe46  i64.atomic.rmw16.xchg_u     memory    i32 i64 -> i64
0xfe47  i64.atomic.rmw32.xchg_u     memory    i32 i64 -> i64
0xfe48  i32.atomic.rmw.cmpxchg      memory    i32 i32 i32 -> i32
0xfe49  i64.atomic.rmw.cmpxchg      memory    i32 i64 i64 -> i64
0xfe4a  i32.atomic.rmw8.cmpxchg_u   memory    i32 i32 i32 -> i32
0xfe4b  i32.atomic.rmw16.cmpxchg_u  memory    i32 i32 i32 -> i32
0xfe4c  i64.atomic.rmw8.cmpxchg_u   memory    i32 i64 i64 -> i64
0xfe4d  i64.atomic.rmw16.cmpxchg_u  memory    i32 i64 i64 -> i64
0xfe4e  i64.atomic.rmw32.cmpxchg_u  memory    i32 i64 i64 -> i64
`;

function parseRow(row: string): Operator {
  const [code, name, immediate, ...types] = row.trim().split(/\s+/) as [string, string, ImmediateKind, ...string[]];
  const typed = types[0] !== "?";
  const arrow = types.indexOf("->");
  return {
    code: Number(code),
    name,
    immediate,
    operands: typed ? (types.slice(0, arrow) as Type[]) : [],
    result: typed ? ((types[arrow + 1] as Type | undefined) ?? null) : null,
    typed,
  };
}

export const operators: readonly Operator[] = TABLE.trim().split("\n").map(parseRow);
const byCode = new Map(operators.map((operator) => [operator.code, operator]));

/** The operator of an opcode (prefix in the upper byte), or null when the backend does not read it. */
export const operatorOf = (code: number): Operator | null => byCode.get(code) ?? null;

/** What an operator outside the table is, for the message that refuses it. */
export function describeUnknown(code: number): string {
  const shown = `opcode 0x${code.toString(16)}`;
  if (code >> 8 === 0xfd) return `${shown}: SIMD is not compiled`;
  if ([0x06, 0x07, 0x08, 0x09, 0x0a, 0x18, 0x19, 0x1f].includes(code)) return `${shown}: exceptions are not compiled`;
  if (code === 0x12 || code === 0x13) return `${shown}: tail calls are not compiled`;
  if ((code >= 0x25 && code <= 0x26) || (code >= 0xfc0c && code <= 0xfc11)) return `${shown}: tables are fixed`;
  if (code >= 0xd0 && code <= 0xd6) return `${shown}: references are not compiled`;
  if (code >= 0xfe00 && code <= 0xfe02) return `${shown}: atomic wait and notify: use the futex system call`;
  if (code === 0xfe03) return shown;
  return `${shown} is unknown`;
}

/** Whether the operator takes, gives or names a floating-point value. */
export const isFloat = ({ name }: Operator): boolean => /^f(32|64)|_f(32|64)/.test(name);
