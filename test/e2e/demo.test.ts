/** `npm run demo`, smaller: what a new user sees first must always work. */
import { readdirSync } from 'node:fs';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { CliWorld, runCli } from '../helpers/cli.ts';

let world: CliWorld;
beforeEach(() => {
  world = new CliWorld();
});
afterEach(() => world.clean());

it('passes every step and leaves nothing behind', async () => {
  const env = { TMPDIR: world.folder, LC_ALL: 'C.UTF-8', TERM: 'xterm' };
  const { code, stdout, stderr } = await runCli(['demo', '--size', '8'], env);
  expect(stderr).toBe('');
  for (const step of ['local service', 'warren server', 'warren client', 'page', 'transfer']) {
    expect(stdout).toMatch(new RegExp(`^ {2}✔ ${step} `, 'm'));
  }
  expect(stdout).toMatch(/✔ datagrams +0, 1, 512, 1400, 9000, 65000 bytes came back/);
  expect(stdout).toMatch(/✔ stop +3 processes drained/);
  expect(stdout).toMatch(/throughput +[\d.]+ [MG]bit\/s/);
  expect(stdout).toContain('All 7 steps passed');
  expect(stdout).not.toContain('✘');
  // Not a terminal: nothing but text.
  expect(stdout).not.toMatch(/\p{Cc}(?<!\n)/u);
  expect(code).toBe(0);
  expect(readdirSync(world.folder)).toEqual([]);
});

it('speaks ASCII where the terminal does not speak UTF-8', async () => {
  const env = { LC_ALL: 'C', TERM: 'xterm' };
  const { code, stdout } = await runCli(['demo', '--size', '1'], env);
  expect(stdout).toMatch(/^ {2}ok page /m);
  expect(stdout).not.toMatch(/[^\p{ASCII}]/u);
  expect(code).toBe(0);
});

it('takes everything down when it is interrupted', async () => {
  const demo = world.start(['demo', '--size', '256'], { TMPDIR: world.folder });
  await demo.waitForText(' page ');
  const pids = [...demo.stdout.matchAll(/pid (\d+)/g)].map(([, pid]) => Number(pid));
  expect(pids).toHaveLength(3);
  demo.kill('SIGTERM');
  expect((await demo.ended).code).toBe(143);
  for (const pid of pids) expect(() => process.kill(pid, 0)).toThrow('ESRCH');
});

it('fails visibly, with the logs, when a daemon dies', async () => {
  const demo = world.start(['demo', '--size', '256'], { TMPDIR: world.folder, LC_ALL: 'C' });
  await demo.waitForText(' page ');
  const pid = /warren server +pid (\d+)/.exec(demo.stdout)?.[1];
  process.kill(Number(pid), 'SIGKILL');
  const { code, stdout } = await demo.ended;
  expect(code).toBe(1);
  expect(stdout).toContain('FAILED transfer');
  expect(stdout).toContain('last lines of the warren server');
  expect(stdout).toContain('warren ready');
});
