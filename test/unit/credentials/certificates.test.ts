import { X509Certificate } from 'node:crypto';
import { beforeEach, describe, expect, it } from 'vitest';
import { datesFault } from '../../../ts/credentials/certificates.ts';
import { certificate } from '../../helpers/certificates.ts';

/** Tag and length of a UTCTime. */
const UTC_TIME = Buffer.from([0x17, 13]);

describe('what is wrong with a certificate’s dates', () => {
  let sound: X509Certificate;
  beforeEach(() => {
    sound = certificate('ecdsa');
  });

  it('nothing, too early, too late', () => {
    const from = new Date(sound.validFrom);
    const to = new Date(sound.validTo);
    expect(datesFault(sound, from)).toBeUndefined();
    expect(datesFault(sound, to)).toBeUndefined();
    expect(datesFault(sound, new Date(from.getTime() - 1))).toContain('not valid yet: valid from');
    expect(datesFault(sound, new Date(to.getTime() + 1))).toContain('has expired: valid from');
  });

  it.each([0, 1])('date %d cannot be read, which is no fault of ours', (nth) => {
    const der = Buffer.from(sound.raw);
    let at = der.indexOf(UTC_TIME);
    for (let skipped = 0; skipped < nth; skipped++) at = der.indexOf(UTC_TIME, at + 1);
    // The month.
    der.write('99', at + UTC_TIME.length + 2);
    const fault = datesFault(new X509Certificate(der), new Date(sound.validFrom));
    expect(fault).toContain('dates that cannot be read');
  });
});
