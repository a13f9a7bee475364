/** An engine that moves no bytes: it records what the control plane tells it. */
import type {
  ClientServiceChange,
  ClientSession,
  ControlStream,
  Engine,
} from '../../ts/engine/engine.ts';
import type { DialSpec, TransportSpec, TunnelListenSpec } from '../../ts/engine/spec.ts';

export class RecordingEngine {
  /** In order, one word each for what was done. */
  readonly calls: string[] = [];
  readonly listens: TunnelListenSpec[] = [];
  readonly updates: TransportSpec[] = [];
  readonly dials: DialSpec[] = [];
  readonly changes: ClientServiceChange[] = [];
  readonly sessions: ClientSession[] = [];
  /** What a dial gives. */
  onDial: () => Promise<ControlStream> = () => new Promise(() => {});
  onListen: () => void = () => {};

  /** For `RoleOptions.engine`. */
  get engine(): Engine {
    const { calls } = this;
    const done = async (): Promise<void> => {};
    const closable = { close: done, destroy: () => {}, [Symbol.asyncDispose]: done };
    const detach = (reason: string): void => void calls.push(`detach ${reason}`);
    return {
      ...closable,
      name: 'typescript',
      listen: async (spec) => {
        calls.push('listen');
        this.onListen();
        this.listens.push(spec);
        return {
          ...closable,
          address: { host: '127.0.0.1', port: 2333 },
          close: async () => void calls.push('close listener'),
          update: (transport) => {
            calls.push('update listener');
            this.updates.push(transport);
          },
        };
      },
      dial: (spec) => {
        calls.push('dial');
        this.dials.push(spec);
        return this.onDial();
      },
      openServerService: () => ({
        ...closable,
        address: undefined,
        attach: () => {},
        resume: () => {},
        update: () => {},
        detach,
      }),
      openClientService: () => ({
        ...closable,
        attach: (session) => void this.sessions.push(session),
        resume: () => {},
        update: (change) => void this.changes.push(change),
        detach,
      }),
      stats: () => ({ services: [], unauthenticated: 0, tunnelRejected: {} }),
    };
  }
}
