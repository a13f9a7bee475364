/** A service on a client: see `ClientService`. */
import type { ClientService, ClientServiceChange, ClientSession } from './engine.ts';
import type { RustContext } from './rust-context.ts';
import { RustService } from './rust-service.ts';
import type { ClientRoutine, ClientServiceSpec } from './spec.ts';

export class RustClientService extends RustService implements ClientService {
  constructor(context: RustContext, spec: ClientServiceSpec) {
    super(context);
    context.native.openClientService(this.id, spec);
  }

  attach(session: ClientSession): void {
    const { dial, routine } = session;
    this.takeOver(session, (stream, id) =>
      this.context.native.attachClient(this.id, stream.id, stream.end, {
        session: id,
        dial,
        routine,
      }),
    );
  }

  resume(routine: ClientRoutine): void {
    const session = this.requireSuspended();
    this.context.native.resumeClient(this.id, routine);
    session.resume();
  }

  update(change: ClientServiceChange): void {
    if (!this.isOpen) return;
    const { local, nodelay, preferIpv6, routine, dial } = change;
    const changesNodelay = 'nodelay' in change;
    const all = { local, changesNodelay, nodelay, preferIpv6, routine, dial };
    this.context.native.updateClient(this.id, all);
  }

  /** A client has no public address. */
  override onAddress(): void {}
}
