/** What every codec must keep, whatever comes in whatever pieces. */
import { expect } from 'vitest';
import type { Codec } from '../../../ts/dataplane/transport/codec.ts';

export type Outcome = 'ok' | 'end' | 'bad' | 'cut';

export interface Taken {
  readonly plain: Buffer;
  readonly outcome: Outcome;
}

/** Opens pieces as a link does. Every piece yields no more than itself and what it completes. */
export function take(codec: Codec, pieces: readonly Buffer[], heldMax: number): Taken {
  const plains: Buffer[] = [];
  for (const piece of pieces) {
    const { plain, ended, reply, fault } = codec.open(piece);
    expect(plain?.byteLength ?? 0).toBeLessThanOrEqual(piece.length + heldMax);
    expect(reply?.byteLength ?? 0).toBeLessThanOrEqual(131);
    // The bytes may be within the piece, which its link uses again.
    if (plain !== undefined) plains.push(Buffer.from(plain));
    if (fault !== undefined) return { plain: Buffer.concat(plains), outcome: 'bad' };
    if (ended) return { plain: Buffer.concat(plains), outcome: 'end' };
  }
  const fin = codec.fin();
  const cut = fin?.reason === 'truncated' && !fin.betweenRecords;
  return { plain: Buffer.concat(plains), outcome: cut ? 'cut' : 'ok' };
}
