/** The addon of the Rust engine, where it is built (`npm run build:native`) and works here. */
import { type Binding, loadBinding } from '../../ts/engine/load-binding.ts';

const loaded = loadBinding();

/** Undefined when it is missing; the survey of the run has told the reason. */
export const RUST: Binding | undefined = 'binding' in loaded ? loaded.binding : undefined;
