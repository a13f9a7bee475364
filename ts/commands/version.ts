/** What `--version` prints. */
import { platformOf, thisMachine } from '../engine/platform.ts';
import { type NativeFacts, rejectedText, selectEngine } from '../engine/select.ts';
import { errorText } from '../errors.ts';
import { packageVersion } from '../package-version.ts';

type Fact = readonly [name: string, value: string];

/** One line, or with `verbose` one per fact that a bug report needs. */
export async function versionText(verbose: boolean): Promise<string> {
  const line = `warren ${packageVersion()}\n`;
  if (!verbose) return line;
  const facts: readonly Fact[] = [
    ...(await engineFacts()),
    ['protocol', 'rathole wire v1'],
    ['node', process.version],
    ['platform', platformOf(thisMachine()).name],
  ];
  return line + facts.map(([name, value]) => `${name.padEnd(9)} ${value}\n`).join('');
}

/** The engine that would run, and why those before it would not; a forced one may not be there. */
async function engineFacts(): Promise<Fact[]> {
  try {
    const { engine, native, rejected } = await selectEngine({});
    engine.destroy();
    return [
      ['engine', engine.name],
      ...(native === undefined ? [] : nativeFacts(native)),
      ...rejected.map((each): Fact => ['not used', rejectedText(each)]),
    ];
  } catch (error) {
    return [['engine', `none: ${errorText(error)}`]];
  }
}

function nativeFacts({ threads, addon }: NativeFacts): Fact[] {
  return [
    ['threads', String(threads)],
    ['addon', addon],
  ];
}
