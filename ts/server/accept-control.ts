/** One client's control channel on the server: handshake, then over to the engine. */
import { formatAddress } from '../config/address.ts';
import { serverHandshake } from '../control/handshake.ts';
import type { ControlStream } from '../engine/engine.ts';
import { errorText, WarrenError } from '../errors.ts';
import type { Logger } from '../log.ts';

import type { RegisteredService, ServiceRegistry } from './service-registry.ts';

export interface IncomingControl {
  readonly digest: Uint8Array;
  readonly stream: ControlStream;
  readonly services: ServiceRegistry;
  readonly log: Logger;
  /** Anybody can cause these lines. */
  readonly sampled: Logger;
}

/** Never rejects: what goes wrong ends this stream and is logged. */
export async function acceptControl(incoming: IncomingControl): Promise<void> {
  const { digest, stream, services, sampled } = incoming;
  const peer = formatAddress(stream.peer);
  try {
    const known = services.find(digest);
    const token = known?.config.token;
    const handshake = await serverHandshake(stream, token?.reveal());
    if (known === undefined || handshake.result !== 'accepted') {
      const service = known?.config.name;
      sampled.warn({ reason: handshake.result, peer, service }, 'client refused');
      return;
    }
    // A reload may have come in between.
    if (services.get(known.config.name) !== known || token?.equals(known.config.token) !== true) {
      stream.destroy('service_closed');
      return;
    }
    attach(incoming, known, handshake.key);
  } catch (error) {
    stream.destroy('internal_error');
    const expected = error instanceof WarrenError;
    const fields = { peer, error: errorText(error), reason: expected ? error.code : 'fault' };
    if (expected) sampled.debug(fields, 'client left during the handshake');
    else sampled.error(fields, 'fault in the handshake');
  }
}

function attach(incoming: IncomingControl, service: RegisteredService, key: Uint8Array): void {
  const { stream, services, log, sampled } = incoming;
  const { name } = service.config;
  const peer = formatAddress(stream.peer);
  const since = Date.now();
  service.session += 1;
  const session = service.session;
  // Two clients that take a service from each other could do so thousands of times a second.
  sampled.info({ service: name, session, peer }, 'client connected');
  service.engineService.attach({
    key,
    control: stream,
    routine: services.routine(service),
    handler: {
      // No extension is agreed on: a client that writes here does not speak v1 (wire-v1 7.2).
      surplus: (control) => control.destroy('control_data'),
      ended: (reason) => {
        const seconds = Math.round((Date.now() - since) / 1_000);
        const fields = { service: name, session, peer, reason, seconds };
        (reason === 'replaced' ? sampled : log).info(fields, 'client disconnected');
      },
    },
  });
}
