/**
 * The rules between keys. Errors are what can never work; warnings what runs but nobody can mean.
 *
 * They look at the raw tables, not at the schema's result, so that one wrong type elsewhere in the
 * file does not hide them.
 */
import { TIMER_MAX_MS } from '../timers.ts';
import { checkClientAddresses, checkServerAddresses } from './address-checks.ts';
import type { Role } from './config.ts';
import type { KeyPath } from './key-path.ts';
import { integerOf, ownValue, type RawTable, type Report, servicesOf, tableOf } from './report.ts';
import { checkTransport } from './transport-checks.ts';

/** The longest delay of a timer, in whole seconds. */
export const MAX_TIMER_SECS: bigint = BigInt(Math.floor(TIMER_MAX_MS / 1_000));
/** The highest TCP_KEEPIDLE and TCP_KEEPINTVL of Linux. */
export const MAX_KEEPALIVE_SECS = 32_767n;

/** Checks everything that is more than shape, except tokens. */
export function checkMeaning(raw: RawTable, report: Report): void {
  const server = tableOf(ownValue(raw, 'server'));
  const client = tableOf(ownValue(raw, 'client'));
  if (ownValue(raw, 'server') === undefined && ownValue(raw, 'client') === undefined) {
    report.error([], undefined, {
      message: 'neither [server] nor [client] is defined',
      found: '',
      allowed: '[server], [client] or both',
      remedy: 'add the section of the role that this machine has',
    });
  }
  if (server !== undefined) {
    checkServerAddresses(server, report);
    checkTimer(server, ['server', 'heartbeat_interval'], report);
    checkSection('server', server, report);
  }
  if (client !== undefined) {
    checkClientAddresses(client, report);
    checkTimer(client, ['client', 'heartbeat_timeout'], report);
    checkRetry(client, ['client', 'retry_interval'], report);
    for (const [name, service] of servicesOf(client)) {
      checkRetry(service, ['client', 'services', name, 'retry_interval'], report);
    }
    checkSection('client', client, report);
  }
  if (server !== undefined && client !== undefined) checkHeartbeats(server, client, report);
}

function checkSection(role: Role, section: RawTable, report: Report): void {
  checkTransport(role, section, report);
  const tcp = tableOf(ownValue(tableOf(ownValue(section, 'transport')), 'tcp'));
  if (tcp === undefined) return;
  for (const key of ['keepalive_secs', 'keepalive_interval']) {
    checkKeepalive(tcp, [role, 'transport', 'tcp', key], report);
  }
}

function checkHeartbeats(server: RawTable, client: RawTable, report: Report): void {
  const interval = integerOf(server, 'heartbeat_interval', 30n);
  const timeout = integerOf(client, 'heartbeat_timeout', 40n);
  // A timeout of 0 supervises nothing, so any interval will do.
  if (interval === undefined || timeout === undefined || timeout <= 0n || interval < 0n) return;
  if (interval > 0n && timeout > interval) return;
  report.warn(['client', 'heartbeat_timeout'], timeout, {
    message:
      interval === 0n
        ? 'the client waits for heartbeats that this file’s server never sends'
        : `not above server.heartbeat_interval (${interval}): a healthy session would time out`,
    allowed: 'more than server.heartbeat_interval, or 0 for no supervision',
    remedy:
      interval === 0n
        ? 'set it to 0, or server.heartbeat_interval to 30'
        : `set it to ${interval + 10n} or more`,
  });
}

function checkRetry(table: RawTable, path: KeyPath, report: Report): void {
  const value = integerOf(table, 'retry_interval');
  if (value === 0n) {
    report.warn(path, value, {
      message: 'without a delay the client would dial without pause; a floor is used instead',
      allowed: '1 second or more',
      remedy: 'leave it out for 1 second',
    });
  }
  checkTimer(table, path, report);
}

function checkTimer(table: RawTable, path: KeyPath, report: Report): void {
  const value = integerOf(table, String(path.at(-1)));
  if (value === undefined || value <= MAX_TIMER_SECS) return;
  report.warn(path, value, {
    message: `longer than a timer can wait; used as ${MAX_TIMER_SECS} seconds (24 days)`,
    allowed: `0 to ${MAX_TIMER_SECS}`,
    remedy: 'write the seconds that you mean',
  });
}

function checkKeepalive(tcp: RawTable, path: KeyPath, report: Report): void {
  const value = integerOf(tcp, String(path.at(-1)));
  if (value === 0n) {
    report.warn(path, value, {
      message:
        path.at(-1) === 'keepalive_secs'
          ? 'no TCP keepalive at all: a connection that dies in silence is noticed late'
          : 'the system refuses 0; its own default is used',
      allowed: `1 to ${MAX_KEEPALIVE_SECS}`,
      remedy: 'leave it out for the default',
    });
  } else if (value !== undefined && value > MAX_KEEPALIVE_SECS) {
    report.warn(path, value, {
      message: `more than the system takes; used as ${MAX_KEEPALIVE_SECS}`,
      allowed: `1 to ${MAX_KEEPALIVE_SECS}`,
      remedy: 'leave it out for the default',
    });
  }
}
