/** Checks of addresses: each by itself, and which services would take each other's. */
import { canonicalHost, formatAddress, overlap, parseAddress } from './address.ts';
import type { HostPort } from './config.ts';
import { formatPath, type KeyPath } from './key-path.ts';
import { ownValue, type RawTable, type Report, servicesOf, textOf } from './report.ts';

const ALLOWED = 'a string "host:port", an IPv6 address in brackets';

/** Checks the server's own and its services' addresses. */
export function checkServerAddresses(server: RawTable, report: Report): void {
  const own = checkAddress(server, ['server', 'bind_addr'], report, 'bind');
  const ports: Ports = new Map();
  if (own !== undefined) {
    addListener({ path: ['server', 'bind_addr'], address: own, protocol: 'tcp' }, ports, report);
  }
  for (const [name, service] of servicesOf(server)) {
    const path = ['server', 'services', name, 'bind_addr'];
    const address = checkAddress(service, path, report, 'bind');
    const protocol = ownValue(service, 'type') ?? 'tcp';
    if (address !== undefined && (protocol === 'tcp' || protocol === 'udp')) {
      addListener({ path, address, protocol }, ports, report);
    }
  }
}

/** Checks the addresses that a client dials. */
export function checkClientAddresses(client: RawTable, report: Report): void {
  checkAddress(client, ['client', 'remote_addr'], report, 'dial');
  for (const [name, service] of servicesOf(client)) {
    checkAddress(service, ['client', 'services', name, 'local_addr'], report, 'dial');
  }
}

interface Listener {
  readonly path: KeyPath;
  readonly address: HostPort;
  readonly protocol: 'tcp' | 'udp';
}

/** The listeners of each protocol and port, the first one of each host. */
type Ports = Map<string, Map<string, Listener>>;

const WILDCARDS: readonly string[] = ['0.0.0.0', '::'];

/**
 * Checks a listener against those it may be in the way of, which are few: the one on its own host
 * and the wildcards; only a wildcard itself meets everyone on its port. Thousands of services are
 * checked in no time.
 */
function addListener(listener: Listener, ports: Ports, report: Report): void {
  const { address, protocol } = listener;
  if (address.port === 0) return;
  const port = `${protocol} ${address.port}`;
  const hosts = ports.get(port) ?? new Map<string, Listener>();
  ports.set(port, hosts);
  const host = canonicalHost(address.host);
  const isFirst = !hosts.has(host);
  const inTheWay = isFirst && WILDCARDS.includes(host) ? hosts.keys() : [host, ...WILDCARDS];
  for (const name of new Set(inTheWay)) {
    const other = hosts.get(name);
    if (other !== undefined) checkPair(listener, other, report);
  }
  if (isFirst) hosts.set(host, listener);
}

function checkPair(listener: Listener, other: Listener, report: Report): void {
  const { path, address, protocol } = listener;
  const relation = overlap(address, other.address);
  const otherKey = formatPath(other.path);
  if (relation === 'same') {
    report.error(path, formatAddress(address), {
      message: `${protocol} address taken by ${otherKey}`,
      allowed: 'an address of its own',
      remedy: 'give one of them another port',
    });
  } else if (relation === 'wildcard') {
    report.warn(path, formatAddress(address), {
      message: `${protocol} port shared with ${otherKey} (${formatAddress(other.address)}), a wildcard covers both`,
      allowed: 'an address of its own',
      remedy: 'give one of them another port; most systems refuse to bind the second',
    });
  }
}

function checkAddress(
  table: RawTable,
  path: KeyPath,
  report: Report,
  use: 'bind' | 'dial',
): HostPort | undefined {
  const text = textOf(table, String(path.at(-1)));
  if (text === undefined) return undefined;
  const result = parseAddress(text);
  if (!result.ok) {
    report.error(path, text, {
      message: `the address ${result.reason}`,
      allowed: ALLOWED,
      remedy: 'for example "127.0.0.1:8080", "example.com:2333" or "[::1]:8080"',
    });
    return undefined;
  }
  if (use === 'dial' && result.address.port === 0) {
    report.error(path, text, {
      message: 'port 0 cannot be dialled',
      allowed: 'a port from 1 to 65535',
      remedy: 'write the port that the other side listens on',
    });
  }
  return result.address;
}
