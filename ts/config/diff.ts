/**
 * What a reload changes: a plan that says which services come, go and change, and in which keys.
 */
import type { ClientConfig, ServerConfig, TransportConfig } from './config.ts';
import { clientFacts, type Fact, type SectionFacts, serverFacts } from './facts.ts';
import { formatKey } from './key-path.ts';
import { SECRET_MASK } from './secret.ts';

/** One key's change, printed: secrets masked, `unset` where the key is not there. */
export interface Change {
  readonly key: string;
  readonly before: string;
  readonly after: string;
}

export interface ServiceChange {
  readonly name: string;
  readonly changes: readonly Change[];
}

/**
 * The way from one configuration to another. Default tokens show up in the services that use them.
 */
export interface ConfigDiff {
  /** Keys outside services, dotted from the section on: `transport.tcp.nodelay`. */
  readonly general: readonly Change[];
  /** Keys whose file is the same and holds something else now: `transport.tls.cert`. */
  readonly renewed: readonly string[];
  readonly added: readonly string[];
  readonly removed: readonly string[];
  readonly changed: readonly ServiceChange[];
}

/** What changes between two configurations of a server. */
export function diffServerConfig(before: ServerConfig, after: ServerConfig): ConfigDiff {
  const renewed = renewedFiles(before.transport, after.transport);
  return { ...diffFacts(serverFacts(before), serverFacts(after)), renewed };
}

/** What changes between two configurations of a client. */
export function diffClientConfig(before: ClientConfig, after: ClientConfig): ConfigDiff {
  const renewed = renewedFiles(before.transport, after.transport);
  return { ...diffFacts(clientFacts(before), clientFacts(after)), renewed };
}

/** Whether there is nothing to do. */
export function isEmptyDiff(diff: ConfigDiff): boolean {
  const { general, renewed, added, removed, changed } = diff;
  return [general, renewed, added, removed, changed].every((list) => list.length === 0);
}

/** One line per change, for the log. */
export function renderDiff(diff: ConfigDiff): string[] {
  const line = (key: string, { before, after }: Change) => `changed: ${key} ${before} -> ${after}`;
  return [
    ...diff.general.map((change) => line(change.key, change)),
    ...diff.renewed.map((key) => `renewed: ${key}`),
    ...diff.removed.map((name) => `removed: services.${formatKey(name)}`),
    ...diff.added.map((name) => `added: services.${formatKey(name)}`),
    ...diff.changed.flatMap(({ name, changes }) =>
      changes.map((change) => line(`services.${formatKey(name)}.${change.key}`, change)),
    ),
  ];
}

/** A file under another name is a changed key, not a renewed file. */
function renewedFiles(before: TransportConfig, after: TransportConfig): string[] {
  const [old, now] = [before.tls, after.tls];
  if (old === undefined || now === undefined) return [];
  const files = [
    ['trusted_root', old.trustedRoot, now.trustedRoot],
    ['client_root', old.clientRoot, now.clientRoot],
    ['pkcs12', old.pkcs12, now.pkcs12],
    ['cert', old.cert, now.cert],
    ['key', old.key, now.key],
  ] as const;
  return files
    .filter(([key, a, b]) => a === b && old.files.digests[key] !== now.files.digests[key])
    .map(([key]) => `transport.tls.${key}`);
}

function diffFacts(before: SectionFacts, after: SectionFacts): Omit<ConfigDiff, 'renewed'> {
  const names = [...before.services.keys()];
  const kept = names.filter((name) => after.services.has(name));
  const changed = kept.map((name) => ({
    name,
    changes: changesOf(before.services.get(name) ?? [], after.services.get(name) ?? []),
  }));
  return {
    general: changesOf(before.general, after.general),
    added: [...after.services.keys()].filter((name) => !before.services.has(name)),
    removed: names.filter((name) => !after.services.has(name)),
    changed: changed.filter(({ changes }) => changes.length > 0),
  };
}

function changesOf(before: readonly Fact[], after: readonly Fact[]): Change[] {
  const old = new Map(before.map((fact) => [fact.key, fact]));
  const now = new Map(after.map((fact) => [fact.key, fact]));
  const keys = new Set([...old.keys(), ...now.keys()]);
  return [...keys].flatMap((key) => {
    const left = old.get(key);
    const right = now.get(key);
    return isSame(left, right) ? [] : [{ key, before: printed(left), after: printed(right) }];
  });
}

function isSame(left: Fact | undefined, right: Fact | undefined): boolean {
  if (left === undefined || right === undefined) return left === right;
  if (left.text !== right.text || left.secrets.length !== right.secrets.length) return false;
  return left.secrets.every((secret, index) => {
    const other = right.secrets[index];
    return other !== undefined && secret.equals(other);
  });
}

function printed(fact: Fact | undefined): string {
  if (fact === undefined) return 'unset';
  return fact.text === `"${SECRET_MASK}"` ? SECRET_MASK : fact.text;
}
