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

function quoteByte(byte: number, next: number | undefined): string {
  const escape = escapes.get(byte);
  if (escape !== undefined) return escape;
  if (byte >= 0x20 && byte < 0x7f) return String.fromCharCode(byte);
  const octal = byte.toString(8);
  return `\\${isDigit(next) ? octal.padStart(3, "0") : octal}`;
}

/** The bytes between quotation marks. */
export function quote(bytes: Uint8Array): string {
  let text = '"';
  for (let index = 0; index < bytes.length; index++) text += quoteByte(bytes[index]!, bytes[index + 1]);
  return `${text}"`;
}

/** Each byte as `\x..`, between quotation marks. */
export const quoteHexadecimal = (bytes: Uint8Array): string =>
  `"${Array.from(bytes, (byte) => `\\x${byte.toString(16).padStart(2, "0")}`).join("")}"`;
