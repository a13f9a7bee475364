/** PEM (RFC 7468): the blocks of a text, whatever stands around them. */

export interface PemBlock {
  /** `CERTIFICATE`, `PRIVATE KEY`, … */
  readonly label: string;
  readonly der: Uint8Array;
  /** The block itself, for what reads PEM: an old key's headers are in it. */
  readonly text: string;
}

const BLOCK = /-----BEGIN ([A-Z0-9 ]+)-----([^-]*(?:-(?!----END)[^-]*)*)-----END \1-----/g;

/** In the order of the file. */
export function pemBlocks(bytes: Uint8Array): PemBlock[] {
  const file = Buffer.from(bytes).toString('latin1');
  return [...file.matchAll(BLOCK)].map(([text, label = '', body = '']) => ({
    label,
    // RFC 1421 headers, which old encrypted keys have, end at an empty line.
    der: Buffer.from(body.replace(/^[\s\S]*?:[\s\S]*?\r?\n\r?\n/, ''), 'base64'),
    text,
  }));
}
