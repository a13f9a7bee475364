/** The TLS handshake on a link, through node:tls: beside everything else, one step in each turn. */
import { X509Certificate } from 'node:crypto';
import net from 'node:net';
import tls from 'node:tls';
import type { TlsSpec } from '../../engine/spec.ts';
import type { Link } from '../link.ts';
import { LinkFault, type OpenLinks } from '../open-links.ts';
import { TlsLink } from '../tls-link.ts';
import { RefusedError } from './codec.ts';
import { enterGate } from './gate.ts';
import { linger } from './linger.ts';
import type { Refusing, ShakeOptions } from './shake.ts';
import { clientContext, serverContext } from './tls-context.ts';
import { refusalOf, type TlsRole } from './tls-refusal.ts';
import { TlsStream } from './tls-stream.ts';

/**
 * As `shake`: resolves with a paused link. Destroying `link` ends it, and so does `signal`.
 * @throws RefusedError, or the reason of `signal`; the link is gone then, or, without `refusing`, the
 * alert is on its way.
 */
export function shakeTlsClient(
  links: OpenLinks,
  link: Link,
  spec: TlsSpec,
  signal?: AbortSignal,
): Promise<TlsLink> {
  return new TlsShake(links, link, 'client', spec, { ...(signal && { signal }) }).result;
}

export function shakeTlsServer(
  links: OpenLinks,
  link: Link,
  spec: TlsSpec,
  refusing?: Refusing,
): Promise<TlsLink> {
  return new TlsShake(links, link, 'server', spec, { ...(refusing && { refusing }) }).result;
}

interface Settle {
  resolve(link: TlsLink): void;
  reject(error: unknown): void;
}

/** What node:tls itself asks for the result of OpenSSL's check; it has no public name. */
interface Verifier {
  readonly _handle: { verifyError(): Error | null | undefined };
}

class TlsShake {
  readonly result: Promise<TlsLink>;
  readonly #links: OpenLinks;
  readonly #link: Link;
  readonly #stream: TlsStream;
  readonly #role: TlsRole;
  readonly #spec: TlsSpec;
  readonly #options: ShakeOptions;
  #settle: Settle | undefined;
  #refused = false;
  /** The certificate that the peer showed and that was not accepted. */
  #peer: X509Certificate | undefined;

  constructor(links: OpenLinks, link: Link, role: TlsRole, spec: TlsSpec, options: ShakeOptions) {
    this.#links = links;
    this.#link = link;
    this.#role = role;
    this.#spec = spec;
    this.#options = options;
    this.result = new Promise((resolve, reject) => {
      this.#settle = { resolve, reject };
    });
    this.#stream = new TlsStream(link, {
      fin: this.#onEof,
      gone: this.#onEof,
      flooded: this.#onEof,
    });
    const { signal } = options;
    signal?.addEventListener('abort', this.#onAbort);
    if (signal?.aborted) this.#onAbort();
    else enterGate(this.#start);
  }

  readonly #onAbort = (): void => {
    this.#link.destroy();
    this.#end()?.reject(this.#options.signal?.reason);
  };

  readonly #onEof = (): void => {
    this.#link.destroy();
    const text = 'the other end closed the connection during the TLS handshake';
    const why = this.#role === 'client' ? '' : ', or not accept our certificate';
    this.#end()?.reject(new RefusedError('handshake_eof', `${text}: it may not speak TLS${why}`));
  };

  readonly #start = (): void => {
    if (this.#settle === undefined) return;
    try {
      if (this.#role === 'client') this.#connect();
      else this.#accept();
    } catch (error) {
      this.#fault(error);
    }
  };

  #connect(): void {
    const { hostname } = this.#spec;
    const { context, sessions } = clientContext(this.#spec);
    const session = sessions.take();
    let trusted = false;
    const socket = tls.connect({
      socket: this.#stream.duplex,
      secureContext: context,
      // An address is no server name (RFC 6066 3).
      servername: net.isIP(hostname) > 0 ? '' : hostname,
      // Else NODE_TLS_REJECT_UNAUTHORIZED decides.
      rejectUnauthorized: true,
      checkServerIdentity: (_name, certificate) => checkName(hostname, certificate),
      ...(session !== undefined && { session }),
    });
    this.#watch(socket);
    // Before node:tls looks at the same error, and forgets the certificate.
    socket.prependListener('secure', () => this.#verifyError(socket));
    socket.on('secureConnect', () => {
      trusted = true;
      if (session !== undefined && !socket.isSessionReused()) sessions.clear();
      this.#done(socket);
    });
    // Those of TLS 1.3 come at any time from now on.
    socket.on('session', (bytes) => {
      if (trusted) sessions.add(bytes, socket.getProtocol());
    });
  }

  #accept(): void {
    const wantsCertificate = this.#spec.roots.length > 0;
    const socket = new tls.TLSSocket(this.#stream.duplex, {
      isServer: true,
      secureContext: serverContext(this.#spec),
      requestCert: wantsCertificate,
      rejectUnauthorized: wantsCertificate,
    });
    this.#watch(socket);
    socket.on('secure', () => {
      try {
        const error = wantsCertificate ? this.#verifyError(socket) : undefined;
        if (error) this.#refuse(error, socket);
        else this.#done(socket);
      } catch (error) {
        this.#fault(error);
      }
    });
  }

  #watch(socket: tls.TLSSocket): void {
    // What comes with the handshake's end waits for the link's sink.
    socket.pause();
    socket.disableRenegotiation();
    socket.on('error', (error) => this.#refuse(error, socket));
  }

  /** What OpenSSL has against the peer's certificate, which is kept for the text. */
  #verifyError(socket: tls.TLSSocket): Error | null | undefined {
    const error = (socket as unknown as Verifier)._handle.verifyError();
    // Only now: it leaves nothing for node:tls to look at.
    if (error) this.#peer = socket.getPeerX509Certificate();
    return error;
  }

  #done(socket: tls.TLSSocket): void {
    this.#end()?.resolve(new TlsLink(this.#links, this.#stream, socket, this.#role));
  }

  #refuse(error: unknown, socket: tls.TLSSocket): void {
    if (this.#settle === undefined || this.#refused) return;
    this.#refused = true;
    const wanted = this.#spec.hostname;
    const refusal = refusalOf(error, { role: this.#role, wanted, peer: this.#peer });
    const { refusing } = this.#options;
    if (refusing === undefined) {
      this.#link.endSoon();
      this.#end()?.reject(refusal);
      return;
    }
    refusing.refused(refusal);
    linger(this.#link, refusing.lingerMs, () => this.#end()?.reject(refusal));
    // The link's end is not its any more.
    socket.destroy();
  }

  /** Ours, not the peer's. */
  #fault(error: unknown): void {
    this.#links.fault(error);
    this.#link.abort();
    this.#end()?.reject(new LinkFault('a handshake failed', { cause: error }));
  }

  /** Once: how to settle. */
  #end(): Settle | undefined {
    const settle = this.#settle;
    this.#settle = undefined;
    this.#options.signal?.removeEventListener('abort', this.#onAbort);
    return settle;
  }
}

/** Undefined: it has the name or address. */
function checkName(hostname: string, certificate: tls.PeerCertificate): Error | undefined {
  if (net.isIP(hostname) === 0) return tls.checkServerIdentity(hostname, certificate);
  // Not by node:tls, which compares texts: in 22.23 the two ways to write an IPv6 address differ.
  if (new X509Certificate(certificate.raw).checkIP(hostname) !== undefined) return undefined;
  const error = new Error(`the certificate is not for ${hostname}`);
  return Object.assign(error, { code: 'ERR_TLS_CERT_ALTNAME_INVALID', cert: certificate });
}
