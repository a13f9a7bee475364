/** Which engines the built program has on this machine. */
import { spawnSync } from 'node:child_process';
import { CLI } from '../helpers/process-daemon.ts';

/** Those of which it says, strictly asked, that it would run them. */
export function enginesHere(): string[] {
  const here = ['rust', 'addon', 'typescript'].filter((engine) => {
    const { stdout } = spawnSync(process.execPath, [CLI, '--version', '--verbose'], {
      env: { ...process.env, WARREN_ENGINE: engine },
      encoding: 'utf8',
    });
    const isHere = new RegExp(`^engine +${engine}$`, 'm').test(stdout);
    if (!isHere) process.stderr.write(`skipped: no ${engine} engine\n`);
    return isHere;
  });
  if (here.length === 0) throw new Error('no engine at all: npm run build:ts');
  return here;
}
