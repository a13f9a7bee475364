import { spawn } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { LogOutput } from '../../ts/log-output.ts';

const cleanups: (() => void)[] = [];
afterEach(() => {
  for (const cleanup of cleanups.splice(0)) cleanup();
});

function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'warren-output-'));
  cleanups.push(() => rmSync(folder, { recursive: true }));
  return folder;
}

it('keeps the order of lines and writes all of them', async () => {
  const path = join(temporaryFolder(), 'log');
  const fd = openSync(path, 'a');
  cleanups.push(() => closeSync(fd));
  const output = new LogOutput(fd);
  const lines = Array.from({ length: 5_000 }, (_, i) => `line ${i}\n`);
  for (const line of lines) output.write(line);
  expect(await output.flush(5_000)).toBe(true);
  expect(readFileSync(path, 'utf8')).toBe(lines.join(''));
});

it('bounds what waits, counts what is lost and says so', async () => {
  const path = join(temporaryFolder(), 'log');
  const fd = openSync(path, 'a');
  cleanups.push(() => closeSync(fd));
  const output = new LogOutput(fd, { maxBytes: 30, lostLine: (count) => `lost ${count}\n` });
  for (let i = 0; i < 9; i += 1) output.write('0123456789\n');
  await output.flush(5_000);
  expect(readFileSync(path, 'utf8')).toBe('0123456789\n0123456789\nlost 7\n');
});

it('goes on without lines when the disk is full, and later with them', async () => {
  const fd = openSync('/dev/full', 'w');
  cleanups.push(() => closeSync(fd));
  const output = new LogOutput(fd);
  output.write('x\n');
  expect(await output.flush(5_000)).toBe(true);
  output.write('y\n');
  expect(await output.flush(5_000)).toBe(true);
});

it('drops lines in silence when the reader of the pipe is gone', async () => {
  const fifo = join(temporaryFolder(), 'fifo');
  const made = spawn('mkfifo', [fifo]);
  await new Promise((resolve) => made.once('exit', resolve));
  // Opened for both, the fifo has a reader until the read end is closed with it.
  const both = openSync(fifo, 'r+');
  const fd = openSync(fifo, 'w');
  closeSync(both);
  cleanups.push(() => closeSync(fd));
  const output = new LogOutput(fd);
  output.write('x\n');
  expect(await output.flush(5_000)).toBe(true);
  for (let i = 0; i < 100; i += 1) output.write('y\n');
  expect(await output.flush(5_000)).toBe(true);
});
