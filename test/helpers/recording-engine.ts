/** An engine that moves no bytes: it records what the control plane tells it. */
import type {
  ClientServiceChange,
  ClientSession,
  ControlStream,
  Engine,
  ServerServiceChange,
  ServerSession,
  TunnelHandler,
} from '../../ts/engine/engine.ts';
import type {
  ClientRoutine,
  DialSpec,
  ServerRoutine,
  TransportSpec,
  TunnelListenSpec,
} from '../../ts/engine/spec.ts';

export class RecordingEngine {
  /** In order, one word each for what was done. */
  readonly calls: string[] = [];
  readonly listens: TunnelListenSpec[] = [];
  readonly updates: TransportSpec[] = [];
  readonly dials: DialSpec[] = [];
  readonly changes: ClientServiceChange[] = [];
  readonly sessions: ClientSession[] = [];
  readonly serverChanges: ServerServiceChange[] = [];
  readonly serverSessions: ServerSession[] = [];
  /** Of servers and clients alike. */
  readonly resumed: (ServerRoutine | ClientRoutine)[] = [];
  /** Of the last listener. */
  handler: TunnelHandler | undefined;
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
      listen: async (spec, handler) => {
        this.handler = handler;
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
        attach: (session) => void this.serverSessions.push(session),
        resume: (routine) => void this.resumed.push(routine),
        update: (change) => void this.serverChanges.push(change),
        detach,
      }),
      openClientService: () => ({
        ...closable,
        attach: (session) => void this.sessions.push(session),
        resume: (routine) => void this.resumed.push(routine),
        update: (change) => void this.changes.push(change),
        detach,
      }),
      stats: () => ({ services: [], unauthenticated: 0, tunnelRejected: {} }),
    };
  }
}
