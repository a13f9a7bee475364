import { it } from 'vitest';
import { PORTABLE_ENGINE } from './engines.ts';
import { conformance } from './suite.ts';

if (PORTABLE_ENGINE === undefined) {
  it.skip('engine addon without epoll and splice: it is not built; the reason is printed above');
} else {
  conformance('addon without epoll and splice', PORTABLE_ENGINE);
}
