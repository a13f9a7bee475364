import { describe, expect, it } from 'vitest';
import { readOptions } from '../../../bench/load/options.ts';
import { findPeers } from '../../../bench/load/peers/peers.ts';

describe('benchmark options', () => {
  it('reads further builds of warren with their environment', () => {
    const options = readOptions([
      '--peer',
      'old=/tmp/old/cli.js,WARREN_ENGINE=rust,X=a=b',
      '--peer',
      'two threads=,WARREN_THREADS=2',
    ]);
    expect(options).toMatchObject({
      variants: [
        { name: 'old', cli: '/tmp/old/cli.js', env: { WARREN_ENGINE: 'rust', X: 'a=b' } },
        { name: 'two threads', cli: '', env: { WARREN_THREADS: '2' } },
      ],
    });
  });

  it.each(['old', '=cli.js', 'old=cli.js,WARREN_THREADS', 'old=cli.js,=2'])(
    'refuses --peer %s',
    (text) => {
      expect(() => readOptions(['--peer', text])).toThrow('--peer');
    },
  );

  it('runs as long as its level says, unless it is told how long', () => {
    expect(readOptions([])).toMatchObject({ level: 'usual', rounds: 5, transportRounds: 5 });
    expect(readOptions(['--quick'])).toMatchObject({ level: 'quick', rounds: 5, memoryRounds: 1 });
    expect(readOptions(['--full'])).toMatchObject({ level: 'full', rounds: 7, seconds: 2 });
    expect(readOptions(['--quick', '--rounds', '4', '--seconds', '1'])).toMatchObject({
      rounds: 4,
      memoryRounds: 4,
      seconds: 1,
      transportRounds: 4,
      transportSeconds: 1,
    });
    expect(() => readOptions(['--quick', '--full'])).toThrow('not both');
  });

  it.each(['--only', '--transports', '--peers'])(
    'refuses an empty %s, which would else mean all',
    (flag) => {
      for (const nothing of ['', ',']) {
        expect(() => readOptions([`${flag}=${nothing}`])).toThrow(`${flag} names nothing`);
      }
    },
  );

  it.each(['0', '1.5', 'x', '1e9', ''])('refuses %s rounds', (rounds) => {
    expect(() => readOptions(['--rounds', rounds])).toThrow('--rounds');
  });

  it('refuses two peers of one name', () => {
    expect(() => readOptions(['--peer', 'a=x', '--peer', 'a=y'])).toThrow('two are named a');
    const [variant] = [{ name: 'rathole', cli: '', env: {} }];
    expect(() => findPeers([], [variant])).toThrow('is taken');
  });

  it('picks peers by their names and by the engine', () => {
    const names = (...words: string[]): string[] => {
      const { found, missing } = findPeers(words, []);
      return [...found, ...missing].map(({ name }) => name);
    };
    expect(names('direct', 'rust')).toEqual(['direct', 'warren (rust)']);
    expect(names('warren')).toEqual(['warren (rust)', 'warren (typescript)']);
    expect(names()).toContain('splice-relay');
    expect(() => findPeers(['squid'], [])).toThrow('unknown peer squid');
  });

  it('leaves a build that is not there out and says so', () => {
    const { missing } = findPeers(['direct'], [{ name: 'gone', cli: '/nowhere/cli.js', env: {} }]);
    expect(missing).toEqual([{ name: 'gone', reason: expect.stringContaining('/nowhere/cli.js') }]);
  });
});
