/** A service on a server: see `ServerService`. */
import type { ServerService, ServerServiceChange, ServerSession } from './engine.ts';
import type { RustContext } from './rust-context.ts';
import { RustService } from './rust-service.ts';
import type { ServerRoutine, ServerServiceSpec, SocketAddress } from './spec.ts';

export class RustServerService extends RustService implements ServerService {
  #address: SocketAddress | undefined;

  constructor(context: RustContext, spec: ServerServiceSpec) {
    super(context);
    context.native.openServerService(this.id, spec);
  }

  get address(): SocketAddress | undefined {
    return this.#address;
  }

  attach(session: ServerSession): void {
    const { key, routine } = session;
    this.takeOver(session, (stream, id) =>
      this.context.native.attachServer(this.id, stream.id, stream.end, {
        session: id,
        key,
        routine,
      }),
    );
  }

  resume(routine: ServerRoutine): void {
    const session = this.requireSuspended();
    this.context.native.resumeServer(this.id, routine);
    session.resume();
  }

  update(change: ServerServiceChange): void {
    if (!this.isOpen) return;
    const { bind, nodelay, routine } = change;
    const changesNodelay = 'nodelay' in change;
    this.context.native.updateServer(this.id, { bind, changesNodelay, nodelay, routine });
  }

  override onAddress(address: SocketAddress | undefined): void {
    this.#address = this.isOpen ? address : undefined;
  }
}
