/** npm, for what it alone knows: which files a folder's package has, and how a tarball is made. */
import { execFileSync } from 'node:child_process';

/** What `npm pack` says of these folders' packages; with a destination it makes their tarballs, too. */
export function pack(folders, destination) {
  const target = destination === undefined ? ['--dry-run'] : ['--pack-destination', destination];
  const args = ['pack', '--json', '--ignore-scripts', '--loglevel=error', ...target, ...folders];
  const output = execFileSync('npm', args, {
    encoding: 'utf8',
    maxBuffer: 1 << 26,
    // npm is a batch file there.
    shell: process.platform === 'win32',
  });
  // npm 11 answers with a list, npm 12 with an object by name.
  return Object.values(JSON.parse(output));
}
