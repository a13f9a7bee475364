import { TYPESCRIPT } from './engines.ts';
import { reuseConformance } from './suite.ts';

reuseConformance('typescript', TYPESCRIPT);
