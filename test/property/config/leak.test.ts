import fc from 'fast-check';
import { expect, test } from 'vitest';
import { formatAddress, parseAddress } from '../../../ts/config/address.ts';
import { ConfigError, renderDiagnostics } from '../../../ts/config/diagnostics.ts';
import { parseConfig } from '../../../ts/config/load.ts';

const TEXTS = [
  `[server]
bind_addr = "h:1"
default_token = "qzqzqzqz" # was qzqzqzqz
[server.services.ssh]
bind_addr = "h:2"
token = 'qzqzqzqz'
nodelay = true
[server.transport]
type = "tls"
tls = { pkcs12 = "x", pkcs12_password = "qzqzqzqz" }
`,
  `[client]
remote_addr = "h:1"
services = { ssh = { token = "qzqzqzqz", local_addr = "h:22" }, b = { local_addr = "h:2", token = 'qzqzqzqz' } }
[client.transport]
type = "noise"
tcp.proxy = "socks5://qzqzqz:qzqzqzqz@h:1"
noise.local_private_key = """
qzqzqzqz"""
`,
];
const edit = fc.record({
  at: fc.double({ min: 0, max: 1, noNaN: true }),
  remove: fc.nat({ max: 3 }),
  insert: fc.oneof(
    fc.constantFrom(
      '',
      '"',
      "'",
      '=',
      '\n',
      '#',
      '[',
      ']',
      '{',
      '}',
      ',',
      '.',
      '\\',
      '"""',
      "'''",
      '\r',
      '@',
      ':',
      '5',
    ),
    fc.string({ maxLength: 2 }),
  ),
});

/** Whatever is printed for a text: its errors or its warnings. */
function printed(text: string): string {
  try {
    return renderDiagnostics(
      parseConfig(text, { file: 'x.toml', env: {}, readFile: () => Buffer.alloc(0) }).warnings,
    );
  } catch (error) {
    if (error instanceof ConfigError) return error.message;
    throw error;
  }
}

test('a mistake anywhere in a file is a ConfigError that shows no secret', () => {
  fc.assert(
    fc.property(
      fc.constantFrom(...TEXTS),
      fc.array(edit, { minLength: 1, maxLength: 3 }),
      (text, edits) => {
        let broken = text;
        for (const { at, remove, insert } of edits) {
          const place = Math.floor(at * broken.length);
          broken = broken.slice(0, place) + insert + broken.slice(place + remove);
        }
        expect(printed(broken), broken).not.toMatch(/qz/);
      },
    ),
    { numRuns: 5000 },
  );
});

test('an address reads back as it was written', () => {
  const host = fc.oneof(fc.domain(), fc.ipV4(), fc.ipV6());
  fc.assert(
    fc.property(host, fc.nat({ max: 65535 }), (name, port) => {
      const address = { host: name, port };
      expect(parseAddress(formatAddress(address))).toEqual({ ok: true, address });
    }),
  );
  fc.assert(fc.property(fc.string(), (text) => typeof parseAddress(text).ok === 'boolean'));
});
