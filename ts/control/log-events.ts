/**
 * Engine events as log lines. Two sinks: `engineEventLog` for what went wrong or changed, always on
 * and sampled; `accessLogger` for one line per visitor connection, only when it was asked for.
 */
import { formatAddress } from '../config/address.ts';
import type { EngineEvent, EventSink, VisitorEnd } from '../engine/events.ts';
import { type EndReason, REASONS } from '../engine/reason.ts';
import type { SocketAddress } from '../engine/spec.ts';
import type { Logger } from '../log.ts';
import type { LogSampler } from '../log-sampler.ts';

function formatPeer(address: SocketAddress | undefined): string | undefined {
  return address === undefined ? undefined : formatAddress(address);
}

/**
 * One line per `visitor_end`, message `visitor`; other events are not its business. Fields:
 * docs/logging.md. On a client of a session of wire v1 a tcp visitor's address is not known and
 * the field is absent.
 */
export function accessLogger(log: Logger): EventSink {
  return (batch) => {
    for (const event of batch) if (event.type === 'visitor_end') logVisitor(log, event);
  };
}

function logVisitor(log: Logger, event: VisitorEnd): void {
  const { service, protocol, bytesIn, bytesOut, reason } = event;
  const visitor = formatPeer(event.visitor);
  const durationMs = Math.round(event.durationMs);
  log.info({ service, protocol, visitor, bytesIn, bytesOut, durationMs, reason }, 'visitor');
}

/** Everything but `visitor_end`. Facts that a stranger can cause at will go through the sampler. */
export function engineEventLog(log: Logger, sampler: LogSampler): EventSink {
  return (batch) => {
    for (const event of batch) logEvent(log, sampler, event);
  };
}

function logEvent(log: Logger, sampler: LogSampler, event: EngineEvent): void {
  switch (event.type) {
    case 'visitor_end':
      return;
    case 'bound':
      log.info({ service: event.service, address: formatAddress(event.address) }, 'service bound');
      return;
    case 'bind_failed':
      // No stranger causes it, and every service must be named: thinned out, not sampled.
      if (isPowerOfTwo(event.attempt)) {
        log.warn(bindFailedFields(event), 'service cannot bind, will retry');
      }
      return;
    case 'tunnel_rejected': {
      const { reason, error, count } = event;
      const peer = formatPeer(event.peer);
      const fields = { reason, peer, error, count, why: REASONS[reason].text };
      sampler.warn(fields, 'tunnel connection rejected');
      return;
    }
    case 'visitor_refused':
      sampler[levelOf(event.reason)](endFields(event), 'visitor not served');
      return;
    case 'channel_failed':
      sampler[channelLevelOf(event.reason)](endFields(event), 'data channel ended unused');
      return;
    case 'accept_failed': {
      const { address, error } = event;
      sampler.error({ address, error, hint: acceptHint(error) }, 'accept failed, will retry');
      return;
    }
    case 'fault': {
      const { where, error, stack } = event;
      sampler.error({ where, error, stack }, 'fault in the engine, please report it');
      return;
    }
    case 'events_lost':
      sampler.warn({ count: event.count }, 'engine events lost');
  }
}

function levelOf(reason: EndReason): 'debug' | 'warn' {
  return REASONS[reason].ok ? 'debug' : 'warn';
}

/** The pool replaces a stale channel by itself and nobody was harmed: no reason to warn. */
function channelLevelOf(reason: EndReason): 'debug' | 'warn' {
  return reason === 'stale_channel' ? 'debug' : levelOf(reason);
}

function endFields(event: Extract<EngineEvent, { service: string; count: number }>): object {
  const { service, reason, error, count } = event;
  return { service, reason, error, count, why: REASONS[reason].text };
}

function bindFailedFields(event: Extract<EngineEvent, { type: 'bind_failed' }>): object {
  const { service, address, error, attempt } = event;
  return { service, address, error, attempt, hint: bindHint(error) };
}

/** Attempts 1, 2, 4, 8, …: soon at first, and never silent for good. */
function isPowerOfTwo(attempt: number): boolean {
  return (attempt & (attempt - 1)) === 0;
}

/** What to do about a failed bind, from the system's error text; also used for the tunnel's own. */
export function bindHint(error: string): string | undefined {
  if (error.includes('EADDRINUSE')) {
    return 'another program listens there: stop it or change bind_addr';
  }
  if (error.includes('EADDRNOTAVAIL')) {
    return 'this host does not have that address: use 0.0.0.0 or [::], or one of its own';
  }
  if (error.includes('EACCES')) {
    return 'ports below 1024 need CAP_NET_BIND_SERVICE or root: take a higher port';
  }
  if (error.includes('ENOTFOUND') || error.includes('EAI_AGAIN')) {
    return 'the name in bind_addr cannot be resolved: write an IP address';
  }
  return undefined;
}

function acceptHint(error: string): string | undefined {
  if (error.includes('EMFILE')) return 'raise the limit of open files (LimitNOFILE=, ulimit -n)';
  if (error.includes('ENFILE')) return 'the system has no file descriptors left (fs.file-max)';
  return undefined;
}
