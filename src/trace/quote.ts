// Bytes as strace quotes them: printable ASCII as it is, the usual escapes, everything else octal and as short as the byte
// behind it allows.

const escapes = new Map([
  [0x09, "\\t"],
  [0x0a, "\\n"],
  [0x0b, "\\v"],
  [0x0c, "\\f"],
  [0x0d, "\\r"],
  [0x22, '\\"'],
  [0x5c, "\\\\"],
]);

const isDigit = (byte: number | undefined): boolean => byte !== undefined && byte >= 0x30 && byte <= 0x39;
const isPrintable = (byte: number): boolean => byte >= 0x20 && byte < 0x7f;

/** Of each byte, when no digit stands behind it. */
const texts = Array.from(
  { length: 256 },
  (_, byte) => escapes.get(byte) ?? (isPrintable(byte) ? String.fromCharCode(byte) : `\\${byte.toString(8)}`),
);
/** Bytes that are said in octal. */
const isOctal = texts.map((_, byte) => !escapes.has(byte) && !isPrintable(byte));

/** The bytes between quotation marks. */
export function quote(bytes: Uint8Array): string {
  let text = '"';
  for (let index = 0; index < bytes.length; index++) {
    const byte = bytes[index]!;
    if (isOctal[byte] && isDigit(bytes[index + 1])) text += `\\${byte.toString(8).padStart(3, "0")}`;
    else text += texts[byte]!;
  }
  return `${text}"`;
}

/** Each byte as `\x..`, between quotation marks. */
export const quoteHexadecimal = (bytes: Uint8Array): string =>
  `"${Array.from(bytes, (byte) => `\\x${byte.toString(16).padStart(2, "0")}`).join("")}"`;
