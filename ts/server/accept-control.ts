/** One client's control channel on the server: handshake, then over to the engine; an offer. */
import { formatAddress } from '../config/address.ts';
import type { ChannelMode } from '../config/config.ts';
import { serverHandshake } from '../control/handshake.ts';
import { answerOffer, resumeUnlessEnded } from '../control/negotiation.ts';
import type { ControlStream } from '../engine/engine.ts';
import type { EndReason } from '../engine/reason.ts';
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
  readonly handshakeTimeoutMs: number;
}

/** Never rejects: what goes wrong ends this stream and is logged. */
export async function acceptControl(incoming: IncomingControl): Promise<void> {
  const { digest, stream, services, sampled } = incoming;
  const peer = formatAddress(stream.peer);
  try {
    const known = services.find(digest);
    const token = known?.config.token;
    const { channels } = services;
    const handshake = await serverHandshake(stream, token?.reveal(), channels);
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
    attach(incoming, known, handshake.key, channels);
  } catch (error) {
    stream.destroy('internal_error');
    const expected = error instanceof WarrenError;
    const fields = { peer, error: errorText(error), reason: expected ? error.code : 'fault' };
    if (expected) sampled.debug(fields, 'client left during the handshake');
    else sampled.error(fields, 'fault in the handshake');
  }
}

/** A session, from its ack on. */
interface Accepted {
  readonly number: number;
  readonly since: number;
  readonly facts: object;
  mode: ChannelMode;
  /** The nonce was marked, and no offer has come. */
  mayOffer: boolean;
}

/** `channels`: whether the nonce was marked, so that the client may make an offer. */
function attach(
  incoming: IncomingControl,
  service: RegisteredService,
  key: Uint8Array,
  channels: ChannelMode,
): void {
  const { stream, services, sampled } = incoming;
  service.session += 1;
  service.agreement = undefined;
  const number = service.session;
  const facts = {
    service: service.config.name,
    session: number,
    peer: formatAddress(stream.peer),
  };
  const mayOffer = channels === 'reuse';
  const session: Accepted = { number, since: Date.now(), facts, mode: 'v1', mayOffer };
  // Two clients that take a service from each other could do so thousands of times a second.
  sampled.info(facts, 'client connected');
  service.engineService.attach({
    key,
    control: stream,
    routine: services.routine(service),
    handler: {
      surplus: () => {
        // A stock client never writes here (wire-v1 7.2).
        if (session.mayOffer) void takeOffer(incoming, service, session);
        else stream.destroy('control_data');
      },
      ended: (reason) => sessionEnded(incoming, service, session, reason),
    },
  });
}

async function takeOffer(
  { stream, services, log, handshakeTimeoutMs }: IncomingControl,
  service: RegisteredService,
  session: Accepted,
): Promise<void> {
  session.mayOffer = false;
  const agreement = await answerOffer(stream, handshakeTimeoutMs);
  // A newer session may have taken the service over.
  if (agreement === undefined || service.session !== session.number) return;
  session.mode = 'reuse';
  service.agreement = agreement;
  const fields = { ...session.facts, channels: session.mode, ...agreement };
  log.debug(fields, 'data channels are reused');
  resumeUnlessEnded(() => service.engineService.resume(services.routine(service)));
}

function sessionEnded(
  { log, sampled }: IncomingControl,
  service: RegisteredService,
  session: Accepted,
  reason: EndReason,
): void {
  if (service.session === session.number) service.agreement = undefined;
  const seconds = Math.round((Date.now() - session.since) / 1_000);
  const fields = { ...session.facts, channels: session.mode, reason, seconds };
  (reason === 'replaced' ? sampled : log).info(fields, 'client disconnected');
}
