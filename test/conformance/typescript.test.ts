import { TYPESCRIPT } from './engines.ts';
import { conformance } from './suite.ts';

conformance('typescript', TYPESCRIPT);
