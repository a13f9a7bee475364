// All suites, in the order in which they run.

import type { Suite } from '../suite.ts';
import { CODEC } from './codec.ts';
import { CODEC_EXTENSION } from './codec-extension.ts';
import { CONFIG_DIFF, CONFIG_PARSE } from './config.ts';
import { ENGINE_SUITES } from './engines.ts';
import { NOISE_RECORDS } from './noise-records.ts';
import { UDP_FRAMES } from './udp-frames.ts';

export const SUITES: readonly Suite[] = [
  CODEC,
  CODEC_EXTENSION,
  UDP_FRAMES,
  CONFIG_PARSE,
  CONFIG_DIFF,
  NOISE_RECORDS,
  ...ENGINE_SUITES,
];
