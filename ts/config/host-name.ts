/** Names of hosts, in the letters that resolvers, HTTP and TLS take. */
import { domainToASCII } from 'node:url';

/** No name has them. */
const FOREIGN = /[\s\p{Cc}[\]/]/u;
/** In a URL, as which a name is read there, they end it or mean something else. */
const OF_URLS = /[?#\\@%:]/;

/**
 * A name as it is asked for, other letters than ASCII as `xn--…` (RFC 5891, UTS 46). Undefined where
 * it cannot be written so.
 */
export function asciiName(name: string): string | undefined {
  if (FOREIGN.test(name)) return undefined;
  if (/^\p{ASCII}*$/u.test(name)) return name;
  if (OF_URLS.test(name)) return undefined;
  return domainToASCII(name) || undefined;
}
