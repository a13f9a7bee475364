/** Paths of configuration keys: their printed form, and which of them hold secrets. */

/** From the root of the file to a key; numbers are places in arrays. */
export type KeyPath = readonly (string | number)[];

const SECRET_KEYS: ReadonlySet<string> = new Set([
  'token',
  'default_token',
  'pkcs12_password',
  'local_private_key',
  // A path; but the key itself may be pasted there by mistake.
  'key',
  // Of websocket: a gateway's credentials travel there.
  'headers',
  // A proxy URL may carry credentials.
  'proxy',
]);

/** Whether the value at this path must never be printed. */
export function isSecretPath(path: KeyPath): boolean {
  return path.some((key) => typeof key === 'string' && SECRET_KEYS.has(key));
}

/** The dotted form as TOML would have it: `server.services."a.b".token`. */
export function formatPath(path: KeyPath): string {
  let text = '';
  for (const key of path) {
    if (typeof key === 'number') text += `[${key}]`;
    else text += `${text === '' ? '' : '.'}${formatKey(key)}`;
  }
  return text;
}

/** One key, quoted where TOML wants quotes. */
export function formatKey(key: string): string {
  return /^[A-Za-z0-9_-]+$/.test(key) ? key : quote(key);
}

/** A TOML basic string. */
export function quote(text: string): string {
  // JSON's escapes are a subset of TOML's, except that TOML also wants DEL escaped.
  return JSON.stringify(text).replaceAll('\u007f', '\\u007f');
}
