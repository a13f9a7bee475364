// Memory without a visitor, in the four ways to count it.

import type { RowKind } from './row.ts';

export const idle: RowKind = {
  name: 'idle',
  title: 'idle, server + client',
  repeatable: false,
  metrics: [
    { key: 'rss', title: 'RSS MiB', better: 'less' },
    { key: 'pss', title: 'PSS MiB', better: 'less' },
    { key: 'private', title: 'private MiB', better: 'less' },
    { key: 'privateDirty', title: 'private dirty MiB', better: 'less' },
  ],
  async run(cell) {
    if (!cell.relayed) return {};
    const { rssKib, pssKib, privateKib, privateDirtyKib } = cell.memory();
    return {
      rss: rssKib / 1024,
      pss: pssKib / 1024,
      private: privateKib / 1024,
      privateDirty: privateDirtyKib / 1024,
    };
  },
};
