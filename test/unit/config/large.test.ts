/** Files of many services, and files made to take long. */
import { expect, test } from 'vitest';
import { ConfigError, type Diagnostic } from '../../../ts/config/diagnostics.ts';
import { parseConfig } from '../../../ts/config/load.ts';

const HEAD = '[server]\nbind_addr = "127.0.0.1:1999"\ndefault_token = "hunter2"\n';
/** By far less than what took minutes, by far more than what takes 0.2 s on an idle machine. */
const MAX_MS = 3_000;

function services(count: number, lines: (index: number) => string): string {
  const tables = Array.from({ length: count }, (_, index) => {
    return `[server.services.s${index}]\n${lines(index)}\n`;
  });
  return HEAD + tables.join('');
}

interface Outcome {
  readonly diagnostics: readonly Diagnostic[];
  readonly message: string;
}

function outcomeOf(text: string): Outcome {
  const start = performance.now();
  try {
    return { diagnostics: parseConfig(text, { file: 's.toml', env: {} }).warnings, message: '' };
  } catch (error) {
    if (error instanceof ConfigError) return error;
    throw error;
  } finally {
    expect(performance.now() - start).toBeLessThan(MAX_MS);
  }
}

test('thousands of services on ports and hosts of their own', () => {
  const own = services(8_000, (index) => `bind_addr = "127.0.0.1:${10_000 + index}"`);
  expect(outcomeOf(own)).toMatchObject({ diagnostics: [], message: '' });
  const oneIp = (index: number) => `10.1.${index >> 8}.${index & 255}`;
  const onePort = services(8_000, (index) => `bind_addr = "${oneIp(index)}:80"`);
  expect(outcomeOf(onePort).diagnostics).toEqual([]);
});

test('thousands of services on one address: each is told the first', () => {
  const { diagnostics, message } = outcomeOf(services(8_000, () => 'bind_addr = "0.0.0.0:80"'));
  expect(diagnostics).toHaveLength(7_999);
  expect(message).toContain('tcp address taken by server.services.s0.bind_addr');
});

test('the first 100 problems are shown, and how many more there are', () => {
  const { diagnostics, message } = outcomeOf(services(4_000, () => 'bind_adr = "h:1" # hunter2'));
  expect(diagnostics).toHaveLength(8_000);
  expect(message.match(/: error: /g)).toHaveLength(100);
  expect(message).toMatch(/\n\nand 7900 more$/);
  expect(diagnostics[99]?.excerpt).not.toBe('');
  expect(message).not.toContain('hunter2');
});

test('a key of very many parts is refused, at its place and without its value', () => {
  const deep = 'a.'.repeat(200_000);
  for (const text of [
    `${HEAD}${deep}a = "hunter2"`,
    `${HEAD}[server.services.x.${deep}a]\nb = "hunter2"`,
    `${HEAD}x = ${'['.repeat(900)}"hunter2"${']'.repeat(900)}`,
  ]) {
    const { diagnostics, message } = outcomeOf(text);
    expect(message).toContain('unknown key');
    expect(diagnostics.at(-1)?.line).toBeGreaterThan(0);
    expect(message).not.toContain('hunter2');
  }
});
