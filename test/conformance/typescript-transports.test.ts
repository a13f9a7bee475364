import { TYPESCRIPT } from './engines.ts';
import { transportConformance } from './suite.ts';

transportConformance('typescript', TYPESCRIPT);
