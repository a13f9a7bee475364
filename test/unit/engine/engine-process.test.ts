/** The life of the native engines in their process: what keeps it alive, and that no end is a crash. */
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';
import { ADDON } from '../../helpers/addon-binding.ts';
import { CliProcess, type Ended } from '../../helpers/cli.ts';
import { RUST } from '../../helpers/rust-binding.ts';
import { StuckListener } from '../../helpers/stuck-listener.ts';
import { within } from '../../helpers/until.ts';

const PROGRAM = fileURLToPath(new URL('engine-program.mjs', import.meta.url));
const ROUNDS = 5;
const ENGINES = [
  ['rust', RUST],
  ['addon', ADDON],
] as const;

const running = new Set<CliProcess>();
afterEach(() => {
  for (const { child } of running) child.kill('SIGKILL');
  running.clear();
});

/** Runs a scenario of `engine-program.mjs` to its end; one that hangs fails. */
async function runOn(
  engine: string,
  args: readonly string[],
  nodeArgs: readonly string[] = [],
): Promise<Ended> {
  const program = new CliProcess(args, { ENGINE: engine }, nodeArgs, PROGRAM);
  running.add(program);
  return within(program.ended, `the end of ${args[0]}; it said: ${program.stdout}`, 25_000);
}

const WELL = { code: 0, signal: null, stderr: '' };

for (const [engine, binding] of ENGINES)
  describe.skipIf(binding === undefined)(`a process with the engine ${engine}`, () => {
    const run = (args: readonly string[], nodeArgs?: readonly string[]) =>
      runOn(engine, args, nodeArgs);

    it('ends by itself when its engines are closed, and no thread is left', async () => {
      expect(await run(['two'])).toEqual({ ...WELL, stdout: 'threads 0\n' });
    });

    it.each(['nothing', 'services'])('ends by itself when it has opened %s', async (what) => {
      expect(await run([what])).toEqual({ ...WELL, stdout: 'opened\n' });
    });

    it.each(['listener', 'stream', 'session'])(
      'goes on as long as it has a %s, without a close of the engine',
      async (what) => {
        expect(await run([what])).toEqual({ ...WELL, stdout: 'still here\nclosed\n' });
      },
    );

    it('goes on as long as it dials', async () => {
      const stuck = await StuckListener.open();
      const ended = await run(['dial', String(stuck.address.port)]).finally(() => stuck.close());
      expect(ended).toEqual({ ...WELL, stdout: 'still here\naborted\nclosed\n' });
    });

    it.each(['draining', 'served'])('goes on as long as a visitor is there: %s', async (what) => {
      expect(await run([what])).toEqual({ ...WELL, stdout: 'still here\nclosed\n' });
    });

    it.each(['exit', 'exit-at-once', 'exit-in-callback', 'exit-in-close'])(
      'exits at any moment: %s',
      async (when) => {
        for (let round = 0; round < ROUNDS; round++) {
          expect(await run([when])).toEqual({ ...WELL, code: 7, stdout: '' });
        }
      },
    );

    it('ends by an uncaught error in the middle of traffic', async () => {
      const { code, signal, stderr } = await run(['throws']);
      expect({ code, signal }).toEqual({ code: 1, signal: null });
      expect(stderr).toContain('planted by a test');
    });

    it('has workers with engines that come and go by all ways', async () => {
      expect(await run(['workers'])).toEqual({ ...WELL, stdout: 'threads 0\n' });
    });

    it('has them beside engines of its own', async () => {
      expect(await run(['workers-beside'])).toEqual({ ...WELL, stdout: 'threads 0\n' });
    });

    it('exits while workers have traffic', async () => {
      expect(await run(['exit-with-workers'])).toEqual({ ...WELL, code: 7, stdout: '' });
    });

    it('stops engines that were forgotten', async () => {
      const ended = await run(['forgotten'], ['--expose-gc']);
      expect(ended).toEqual({ ...WELL, stdout: 'threads 0\n' });
    });
  });
