/** The vectors of docs/wire.md as data: what a third implementation can check itself against. */
import { readFileSync } from 'node:fs';
import type { Address } from './peer.ts';

interface ExtensionVectors {
  readonly nonce: readonly { readonly random: string; readonly nonce: string }[];
  readonly offer: readonly { readonly features: number; readonly bytes: string }[];
  readonly answer: readonly { readonly features: number; readonly bytes: string }[];
  readonly start_reused: string;
  readonly frames: {
    readonly channels: readonly { readonly n: number; readonly bytes: string }[];
    readonly heartbeat: string;
    /** `null`: as long as it takes. */
    readonly drain: readonly { readonly ms: number | null; readonly bytes: string }[];
    readonly gave_up: readonly {
      readonly visitor: number;
      readonly reason: number;
      readonly bytes: string;
    }[];
  };
  readonly words: {
    readonly data: { readonly payload: string; readonly bytes: string };
    readonly end: string;
    readonly abort: { readonly reason: number; readonly bytes: string };
    readonly free: string;
    /** Without feature 0 there are no addresses. */
    readonly start: readonly {
      readonly visitor: number;
      readonly from?: Address;
      readonly to?: Address;
      readonly bytes: string;
    }[];
  };
}

const url = new URL('../vectors/extension.json', import.meta.url);

export const EXTENSION_VECTORS: ExtensionVectors = JSON.parse(
  readFileSync(url, 'utf8'),
) as ExtensionVectors;
