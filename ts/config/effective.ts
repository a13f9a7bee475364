/** The effective configuration as TOML: defaults filled in, secrets masked, in one stable order. */
import type { Config, Role } from './config.ts';
import { clientFacts, type Fact, type SectionFacts, serverFacts } from './facts.ts';
import { formatPath } from './key-path.ts';

/** What a daemon would run with, for `warren check`. Valid TOML, but with masks for tokens. */
export function renderEffective(config: Config): string {
  const blocks: string[] = [];
  if (config.server !== undefined)
    blocks.push(...sectionBlocks('server', serverFacts(config.server)));
  if (config.client !== undefined)
    blocks.push(...sectionBlocks('client', clientFacts(config.client)));
  return `${blocks.join('\n\n')}\n`;
}

function sectionBlocks(role: Role, facts: SectionFacts): string[] {
  const tables = new Map<string, string[]>([[role, []]]);
  for (const fact of facts.general) addLine(tables, role, fact);
  // Demanded also where it has nothing in it.
  if (facts.usesTls) tables.set(`${role}.transport.tls`, tables.get(`${role}.transport.tls`) ?? []);
  const blocks = [...tables].map(([name, lines]) => [`[${name}]`, ...lines].join('\n'));
  const names = [...facts.services.keys()].toSorted();
  for (const name of names) {
    const lines = (facts.services.get(name) ?? []).map(({ key, text }) => `${key} = ${text}`);
    blocks.push([`[${formatPath([role, 'services', name])}]`, ...lines].join('\n'));
  }
  return blocks;
}

/** A fact's key but for its last part names its table. */
function addLine(tables: Map<string, string[]>, role: string, fact: Fact): void {
  const parts = fact.key.split('.');
  const key = parts.pop() ?? '';
  const table = [role, ...parts].join('.');
  const lines = tables.get(table) ?? [];
  lines.push(`${key} = ${fact.text}`);
  tables.set(table, lines);
}
