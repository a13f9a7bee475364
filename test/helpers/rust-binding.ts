/** The addon of the Rust engine, where it is built (`npm run build:native`) and works here. */
import { type Binding, loadBinding } from '../../ts/engine/load-binding.ts';

function find(): Binding | undefined {
  const loaded = loadBinding();
  if ('binding' in loaded) return loaded.binding;
  process.stderr.write(`skipped: no rust engine (${loaded.reason})\n`);
  return undefined;
}

/** Undefined when it is missing; the reason was printed then. */
export const RUST: Binding | undefined = find();
