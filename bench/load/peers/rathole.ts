// rathole as a peer.

import type { Command } from '../machine/process.ts';
import { findProgram } from '../tools/find-program.ts';
import { ratholeConfigs } from './configs.ts';
import type { Peer } from './peer.ts';
import { notFound, outputOf } from './program.ts';

export function findRathole(): Peer | string {
  const file = findProgram('rathole', 'WARREN_RATHOLE');
  if (file === undefined) {
    return notFound(
      ['WARREN_RATHOLE'],
      'set WARREN_RATHOLE to the rathole binary or put it on PATH',
    );
  }
  const command =
    (side: string) =>
    (config: string): Command => ({
      file,
      args: [side, config],
      env: { RUST_LOG: 'warn' },
    });
  return {
    name: 'rathole',
    version: /Build Version:\s*(\S+)/.exec(outputOf(file))?.[1] ?? 'unknown',
    isWarren: false,
    tunnel: {
      configs: ratholeConfigs,
      server: command('--server'),
      client: command('--client'),
      firstPort: 'control',
    },
  };
}
