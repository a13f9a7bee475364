/**
 * `warren status`: which engine this installation would run, and what there is of the others. It
 * starts the engine for a moment, as a daemon would, and knows nothing of daemons that run.
 */
import { platformOf, thisMachine } from '../engine/platform.ts';
import { type SelectedEngine, selectEngine } from '../engine/select.ts';
import { type SurveyedEngine, surveyEngines } from '../engine/survey.ts';
import { WarrenError } from '../errors.ts';
import { packageVersion } from '../package-version.ts';
import type { StatusArguments } from './arguments.ts';
import { EXIT_OK, EXIT_OUTPUT } from './exit-codes.ts';
import { print } from './output.ts';

/** What `--json` prints. */
interface Status {
  readonly version: string;
  readonly node: string;
  readonly platform: string;
  /** As `WARREN_ENGINE` says it, or `auto`. */
  readonly wanted: string;
  /** The one that would run; null where a start would fail. */
  readonly engine: string | null;
  /** Its own threads; null where it has none. */
  readonly threads: number | null;
  /** Why a start would fail. */
  readonly problem: string | null;
  /** All there are, the best one first. */
  readonly engines: readonly Tier[];
}

interface Tier {
  readonly name: string;
  readonly state: SurveyedEngine['state'];
  /** The addon that it is made of; null where it needs none or has none that is usable. */
  readonly file: string | null;
  readonly reasons: readonly string[];
}

/** @throws WARREN_E_ENGINE, told already, when the engine that is demanded cannot be had. */
export async function status({ json }: StatusArguments): Promise<number> {
  const selected = await trySelect();
  const facts = statusOf(selected);
  const text = json ? `${JSON.stringify(facts)}\n` : statusText(facts);
  if (!(await print(text))) return EXIT_OUTPUT;
  if (selected instanceof WarrenError) throw selected;
  return EXIT_OK;
}

async function trySelect(): Promise<SelectedEngine | WarrenError> {
  try {
    const selected = await selectEngine({});
    selected.engine.destroy();
    return selected;
  } catch (error) {
    if (error instanceof WarrenError && error.code === 'WARREN_E_ENGINE') return error;
    throw error;
  }
}

function statusOf(selected: SelectedEngine | WarrenError): Status {
  const { wanted, engines } = surveyEngines();
  const { name: platform } = platformOf(thisMachine());
  const about = { version: packageVersion(), node: process.version, platform, wanted };
  if (selected instanceof WarrenError) {
    const nothing = { engine: null, threads: null, problem: selected.message };
    return { ...about, ...nothing, engines: engines.map((each) => tierOf(each, [])) };
  }
  const { engine, native, rejected } = selected;
  const startFaults = ({ name }: SurveyedEngine): string[] =>
    rejected.filter((each) => each.name === name).map(({ reason }) => reason);
  return {
    ...about,
    engine: engine.name,
    threads: native?.threads ?? null,
    problem: null,
    engines: engines.map((each) =>
      tierOf(each, each.name === engine.name ? [] : startFaults(each)),
    ),
  };
}

/** What is there may still have failed to start. */
function tierOf({ name, state, addon, reasons }: SurveyedEngine, faults: string[]): Tier {
  const further = faults.filter((fault) => !reasons.includes(fault));
  return {
    name,
    state: state === 'usable' && further.length > 0 ? 'broken' : state,
    file: addon ?? null,
    reasons: [...reasons, ...further],
  };
}

function statusText({ version, node, platform, engine, threads, engines }: Status): string {
  const count = threads === null ? '' : `, ${threads} thread${threads === 1 ? '' : 's'}`;
  const facts = [
    ['warren', version],
    ['node', node],
    ['platform', platform],
    ['engine', engine === null ? 'none' : `${engine}${count}`],
  ];
  const tiers = engines.flatMap(({ name, state, file, reasons }) => {
    const [first = '', ...rest] = [...(file === null ? [] : [file]), ...reasons];
    const word = name === engine ? 'used' : state;
    return [[name, word.padEnd(8), first], ...rest.map((reason) => ['', ' '.repeat(8), reason])];
  });
  const lines = [...facts, [], ...tiers].map(([name = '', ...rest]) =>
    `${name.padEnd(11)} ${rest.join(' ')}`.trimEnd(),
  );
  return `${lines.join('\n')}\n`;
}
