// Rows about speed: bulk, latency, visitors, datagrams, and what they cost the relays in CPU.

import type { Row } from './row.ts';

const BURST_VISITORS = 1500;

export function bulk(direction: 'up' | 'down', streams: number): Row {
  const name = `bulk-${direction}-${streams}`;
  return {
    name,
    repeatable: true,
    metrics: [
      {
        key: 'gbit',
        title: `bulk ${direction}, ${streams} stream${streams > 1 ? 's' : ''}: Gbit/s`,
        better: 'more',
      },
      { key: 'cpu', title: '  CPU s/GB, server + client', better: 'less' },
    ],
    async run(cell) {
      const flags = {
        connect: cell.tcpAddr,
        query: cell.sinkAddr,
        streams,
        direction,
        seconds: cell.seconds,
      };
      const { gbit_s: gbit = Number.NaN, bytes = 0, cpuSeconds } = await cell.load('bulk', flags);
      return cell.relayed ? { gbit, cpu: cpuSeconds / (bytes / 1e9) } : { gbit };
    },
  };
}

export const pingpong: Row = {
  name: 'pingpong',
  repeatable: true,
  metrics: [
    { key: 'p50_us', title: '64 B ping-pong: p50 us', better: 'less' },
    { key: 'p99_us', title: '  p99 us', better: 'less' },
  ],
  run: (cell) =>
    cell.load('pingpong', {
      connect: cell.tcpAddr,
      size: 64,
      count: Math.round(cell.seconds * 7000),
    }),
};

export const requests: Row = {
  name: 'requests',
  repeatable: true,
  metrics: [
    { key: 'per_second', title: '32 connections request/response: /s', better: 'more' },
    { key: 'p50_us', title: '  p50 us', better: 'less' },
    { key: 'p99_us', title: '  p99 us', better: 'less' },
  ],
  run: (cell) => cell.load('rr', { connect: cell.tcpAddr, connections: 32, seconds: cell.seconds }),
};

export function visitors(concurrency: number): Row {
  const name = `visitors-${concurrency}`;
  return {
    name,
    repeatable: true,
    metrics: [
      { key: 'per_second', title: `visitors/s, ${concurrency} at a time`, better: 'more' },
      { key: 'p99_us', title: '  p99 us', better: 'less' },
      { key: 'cpu', title: '  CPU us per visitor, server + client', better: 'less' },
    ],
    async run(cell) {
      const result = await cell.load('visitors', {
        connect: cell.tcpAddr,
        concurrency,
        seconds: cell.seconds,
      });
      const { visitors: done = 0, failures, cpuSeconds, ...rest } = result;
      if (failures !== 0) throw new Error(`${failures} visitors failed, ${done} were served`);
      return cell.relayed ? { ...rest, cpu: (cpuSeconds * 1e6) / done } : rest;
    },
  };
}

export const burst: Row = {
  name: 'burst',
  repeatable: true,
  metrics: [
    { key: 'paired', title: `burst of ${BURST_VISITORS} visitors: paired`, better: 'more' },
    { key: 'last_ms', title: '  last answer after ms', better: 'less' },
  ],
  run: (cell) => cell.load('burst', { connect: cell.tcpAddr, count: BURST_VISITORS }),
};

export const udp: Row = {
  name: 'udp',
  repeatable: true,
  metrics: [
    { key: 'lossPercent', title: 'UDP 512 B at 50,000/s: loss %', better: 'less' },
    { key: 'cpu', title: '  CPU us per delivered packet, server + client', better: 'less' },
  ],
  async run(cell) {
    const flags = {
      connect: cell.udpAddr,
      query: cell.sinkAddr,
      size: 512,
      rate: 50_000,
      seconds: cell.seconds,
    };
    const result = await cell.load('udp', flags);
    const { loss = Number.NaN, rate = Number.NaN, delivered = 0, cpuSeconds } = result;
    const sample = { lossPercent: loss * 100, rate };
    return cell.relayed ? { ...sample, cpu: (cpuSeconds * 1e6) / delivered } : sample;
  },
};
