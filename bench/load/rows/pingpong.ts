// Small messages there and back over connections that stay open.

import type { RowKind } from './row.ts';

export const pingpong: RowKind = {
  name: 'pingpong',
  title: '64 B ping-pong',
  repeatable: true,
  metrics: [
    { key: 'p50_us', title: 'p50 us', better: 'less' },
    { key: 'p99_us', title: 'p99 us', better: 'less' },
    { key: 'p999_us', title: 'p99.9 us', better: 'less' },
  ],
  async run(cell) {
    const count = Math.round(cell.seconds * 7000);
    return (await cell.load('pingpong', { connect: cell.tcpAddr, size: 64, count })).numbers;
  },
};

export const requests: RowKind = {
  name: 'requests',
  title: '32 connections request/response',
  repeatable: true,
  metrics: [
    { key: 'per_second', title: '/s', better: 'more' },
    { key: 'p50_us', title: 'p50 us', better: 'less' },
    { key: 'p99_us', title: 'p99 us', better: 'less' },
  ],
  async run(cell) {
    const flags = { connect: cell.tcpAddr, connections: 32, seconds: cell.seconds };
    return (await cell.load('rr', flags)).numbers;
  },
};
