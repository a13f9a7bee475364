import { describe, expect, it } from 'vitest';
import { accessLogger, bindHint, engineEventLog } from '../../../ts/control/log-events.ts';
import type { EngineEvent } from '../../../ts/engine/events.ts';
import type { Logger } from '../../../ts/log.ts';
import { LogSampler } from '../../../ts/log-sampler.ts';

type Line = readonly [level: string, message: string, fields: object];

function recorder(): { log: Logger; lines: Line[] } {
  const lines: Line[] = [];
  const write = (level: string) => (fields: object, message: string) => {
    lines.push([level, message, JSON.parse(JSON.stringify(fields))]);
  };
  const log = {
    debug: write('debug'),
    info: write('info'),
    warn: write('warn'),
    error: write('error'),
  };
  return { log, lines };
}

function logged(event: EngineEvent): Line | undefined {
  const { log, lines } = recorder();
  const sampler = new LogSampler(log);
  engineEventLog(log, sampler)([event]);
  sampler.close();
  return lines[0];
}

describe('access log', () => {
  const end = {
    type: 'visitor_end',
    service: 'ssh',
    protocol: 'tcp',
    visitor: { host: '2001:db8::1', port: 4711 },
    bytesIn: 10,
    bytesOut: 20,
    durationMs: 12.7,
    reason: 'visitor_fin',
  } as const;

  it('is one line per visitor', () => {
    const { log, lines } = recorder();
    accessLogger(log)([end, { type: 'events_lost', count: 1 }, end]);
    expect(lines).toHaveLength(2);
    expect(lines[0]).toEqual([
      'info',
      'visitor',
      {
        service: 'ssh',
        protocol: 'tcp',
        visitor: '[2001:db8::1]:4711',
        bytesIn: 10,
        bytesOut: 20,
        durationMs: 13,
        reason: 'visitor_fin',
      },
    ]);
  });

  it('leaves the visitor out where its address is not known', () => {
    const { log, lines } = recorder();
    accessLogger(log)([{ ...end, visitor: undefined }]);
    expect(lines[0]?.[2]).not.toHaveProperty('visitor');
  });

  it('is not written by the event log', () => {
    expect(logged(end)).toBeUndefined();
  });
});

describe('event log', () => {
  it('tells where a service is bound', () => {
    const address = { host: '0.0.0.0', port: 5202 };
    expect(logged({ type: 'bound', service: 's', address })).toEqual([
      'info',
      'service bound',
      { service: 's', address: '0.0.0.0:5202' },
    ]);
  });

  it('gives a remedy for a failed bind', () => {
    const error = 'listen EADDRINUSE: address already in use 0.0.0.0:22';
    const line = logged({
      type: 'bind_failed',
      service: 's',
      address: '0.0.0.0:22',
      error,
      attempt: 1,
    });
    expect(line?.[0]).toBe('warn');
    expect(line?.[2]).toMatchObject({ attempt: 1, hint: bindHint(error) });
    for (const code of ['EADDRINUSE', 'EADDRNOTAVAIL', 'EACCES', 'ENOTFOUND', 'EAI_AGAIN']) {
      expect(bindHint(`bind ${code}`)).toBeDefined();
    }
    expect(bindHint('something else')).toBeUndefined();
  });

  it('names every service that cannot bind, at attempts 1, 2, 4, 8 and so on', () => {
    const { log, lines } = recorder();
    const sink = engineEventLog(log, new LogSampler(log));
    const failed = { type: 'bind_failed', address: '0.0.0.0:22', error: 'EADDRINUSE' } as const;
    const services = Array.from({ length: 40 }, (_, index) => `s${index}`);
    for (let attempt = 1; attempt <= 20; attempt += 1) {
      sink(services.map((service) => ({ ...failed, service, attempt })));
    }
    for (const service of services) {
      const own = lines.filter(([, , fields]) => Reflect.get(fields, 'service') === service);
      expect(own.map(([, , fields]) => Reflect.get(fields, 'attempt'))).toEqual([1, 2, 4, 8, 16]);
    }
  });

  it('explains rejected tunnel connections and unserved visitors', () => {
    const rejected = { type: 'tunnel_rejected', peer: undefined, count: 3 } as const;
    expect(logged({ ...rejected, reason: 'bad_hello', error: undefined })).toEqual([
      'warn',
      'tunnel connection rejected',
      { reason: 'bad_hello', count: 3, why: 'the hello is not of our protocol version' },
    ]);
    expect(logged({ ...rejected, reason: 'tls_failed', error: 'no common version' })).toMatchObject(
      [
        'warn',
        'tunnel connection rejected',
        { reason: 'tls_failed', error: 'no common version', count: 3 },
      ],
    );
    const refused = { type: 'visitor_refused', service: 's', error: undefined, count: 1 } as const;
    expect(logged({ ...refused, reason: 'local_refused' })?.[0]).toBe('warn');
    expect(logged({ ...refused, reason: 'visitor_left' })?.[0]).toBe('debug');
  });

  it('is quiet about channels that the pool replaces by itself, loud about a mismatch', () => {
    const failed = { type: 'channel_failed', service: 's', error: undefined, count: 1 } as const;
    expect(logged({ ...failed, reason: 'stale_channel' })?.[0]).toBe('debug');
    expect(logged({ ...failed, reason: 'channel_eof' })?.[0]).toBe('debug');
    expect(logged({ ...failed, reason: 'type_mismatch' })?.[0]).toBe('warn');
  });

  it('reports failed accepts and lost events', () => {
    const error = 'accept EMFILE: too many open files';
    expect(logged({ type: 'accept_failed', address: '0.0.0.0:1', error })?.[2]).toMatchObject({
      hint: expect.stringContaining('LimitNOFILE'),
    });
    expect(logged({ type: 'events_lost', count: 5 })).toEqual([
      'warn',
      'engine events lost',
      { count: 5 },
    ]);
  });

  it('reports a fault with its place and stack, sampled by place', () => {
    const fault = { type: 'fault', where: 'relay', error: 'boom', stack: 'Error: boom' } as const;
    const { log, lines } = recorder();
    const sampler = new LogSampler(log);
    const sink = engineEventLog(log, sampler);
    for (let i = 0; i < 100; i += 1) sink([fault, { ...fault, where: 'front' }]);
    expect(lines[0]).toEqual([
      'error',
      'fault in the engine, please report it',
      { where: 'relay', error: 'boom', stack: 'Error: boom' },
    ]);
    expect(lines).toHaveLength(10);
    sampler.close();
    expect(lines).toHaveLength(12);
  });

  it('samples what strangers can cause', () => {
    const { log, lines } = recorder();
    const sampler = new LogSampler(log);
    const sink = engineEventLog(log, sampler);
    for (let i = 0; i < 1_000; i += 1) {
      const rejected = { type: 'tunnel_rejected', reason: 'bad_hello', peer: undefined } as const;
      sink([{ ...rejected, error: undefined, count: 1 }]);
    }
    sampler.close();
    expect(lines).toHaveLength(6);
  });
});
