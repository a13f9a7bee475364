/**
 * Where a service's token comes from: written out, from the environment, or from a file; its own or
 * the section's default. Beyond rathole are only `"${NAME}"` and the `_file` keys.
 */
import { resolve } from 'node:path';
import type { Role } from './config.ts';
import type { KeyPath } from './key-path.ts';
import { ownValue, type RawTable, type Report, servicesOf, tableOf, textOf } from './report.ts';
import { Secret } from './secret.ts';
import { decodeText, errorCode, type FileSources } from './sources.ts';

/**
 * What tokens may be read from. A caller's options have no sources: there a token is what it says.
 */
export interface TokenSources extends FileSources {
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** The tokens of each section's services, by name. */
export type ResolvedTokens = Readonly<Record<Role, ReadonlyMap<string, Secret>>>;

interface Context {
  readonly sources: TokenSources | undefined;
  readonly report: Report;
}

/** Resolves every token; reports services that have none. */
export function resolveTokens(
  raw: RawTable,
  sources: TokenSources | undefined,
  report: Report,
): ResolvedTokens {
  const context: Context = { sources, report };
  return {
    server: sectionTokens(raw, 'server', context),
    client: sectionTokens(raw, 'client', context),
  };
}

function sectionTokens(raw: RawTable, role: Role, context: Context): Map<string, Secret> {
  const tokens = new Map<string, Secret>();
  const section = tableOf(ownValue(raw, role));
  if (section === undefined) return tokens;
  const fallback = resolveToken(section, [role], 'default_token', context);
  for (const [name, service] of servicesOf(section)) {
    const path = [role, 'services', name];
    const own = resolveToken(service, path, 'token', context);
    const token = own ?? fallback;
    if (token instanceof Secret) tokens.set(name, token);
    else if (token === undefined) reportNoToken(path, role, context);
  }
  return tokens;
}

function reportNoToken(path: KeyPath, role: Role, context: Context): void {
  context.report.error([...path, 'token'], undefined, {
    message: 'missing key: neither a token of its own nor a default token',
    found: 'no such key',
    allowed: 'a string, the same on the server and the client',
    remedy: `add \`token = "…"\` here or \`default_token = "…"\` to [${role}]`,
  });
}

/** The token of a table; undefined if it has none, `faulty` if what it has was reported. */
function resolveToken(
  table: RawTable,
  path: KeyPath,
  key: 'token' | 'default_token',
  context: Context,
): Secret | 'faulty' | undefined {
  const fileKey = `${key}_file`;
  const value = ownValue(table, key);
  const file = ownValue(table, fileKey);
  if (value !== undefined && file !== undefined) {
    context.report.error([...path, fileKey], file, {
      message: `both \`${key}\` and \`${fileKey}\` are given`,
      allowed: 'one of the two',
      remedy: `remove \`${key}\` or \`${fileKey}\``,
    });
    return 'faulty';
  }
  if (value === undefined && file === undefined) return undefined;
  const text =
    value !== undefined
      ? fromText(textOf(table, key), [...path, key], context)
      : fromFile(textOf(table, fileKey), [...path, fileKey], context);
  if (text === undefined) return 'faulty';
  if (text === '') {
    context.report.warn([...path, value !== undefined ? key : fileKey], undefined, {
      message: 'the token is empty: anyone who knows the service’s name can use it',
      found: 'an empty token',
      allowed: 'a long random string',
      remedy: 'make one with `openssl rand -base64 32`',
    });
  }
  return Secret.from(text);
}

/** `"${NAME}"`, and only exactly that form, is the variable's value. */
function fromText(text: string | undefined, path: KeyPath, context: Context): string | undefined {
  const name = /^\$\{([A-Za-z_][A-Za-z0-9_]*)\}$/.exec(text ?? '')?.[1];
  if (name === undefined || context.sources === undefined) return text;
  const value = context.sources.env[name];
  if (value === undefined) {
    context.report.error(path, undefined, {
      message: `the environment variable ${name} is not set`,
      found: `a reference to ${name}`,
      allowed: 'a string, or a reference to a variable that is set',
      remedy: `set ${name} where warren is started, or write the token itself`,
    });
  }
  return value;
}

function fromFile(text: string | undefined, path: KeyPath, context: Context): string | undefined {
  const { sources } = context;
  // Of another type than string: reported with the shape.
  if (text === undefined || sources === undefined) return undefined;
  const file = resolve(sources.base, text);
  try {
    return decodeText(sources.readFile(file)).replace(/\r?\n$/, '');
  } catch (error) {
    context.report.error(path, text, {
      message: `the file cannot be read: ${errorCode(error)}`,
      found: file,
      allowed: 'the path of a readable file, relative to the configuration file',
      remedy: 'create it with the token as its only line, or mend the path or its permissions',
    });
    return undefined;
  }
}
