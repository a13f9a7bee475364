/** A server or a client as the `run` command sees it: whichever section of the file is in use. */
import { Client } from '../client/client.ts';
import { formatAddress } from '../config/address.ts';
import type { Config, Role } from '../config/config.ts';
import type { RoleOptions } from '../control/role.ts';
import { WarrenError } from '../errors.ts';
import { Server } from '../server/server.ts';

export interface Daemon {
  /** @throws WARREN_E_BIND, WARREN_E_ENGINE */
  start(): Promise<void>;
  /** What the log says once it has started. */
  facts(): object;
  /** Applies the section of its role; false when the configuration has none. */
  reload(config: Config): Promise<boolean>;
  visitorsOpen(): number;
  close(options: { readonly deadlineMs: number }): Promise<void>;
}

/** Builds the role without binding anything. The configuration MUST have its section. */
export function createDaemon(role: Role, config: Config, options: RoleOptions): Daemon {
  return role === 'server' ? serverDaemon(config, options) : clientDaemon(config, options);
}

function serverDaemon(config: Config, options: RoleOptions): Daemon {
  const server = new Server(sectionOf(config.server), options);
  return {
    start: () => server.start(),
    facts: () => ({
      engine: server.engine?.name,
      address: server.address === undefined ? undefined : formatAddress(server.address),
    }),
    reload: async ({ server: section }) => {
      if (section !== undefined) await server.reload(section);
      return section !== undefined;
    },
    visitorsOpen: () => countVisitors(server),
    close: (close) => server.close(close),
  };
}

function clientDaemon(config: Config, options: RoleOptions): Daemon {
  const section = sectionOf(config.client);
  const client = new Client(section, options);
  return {
    start: () => client.start(),
    facts: () => ({
      engine: client.engine?.name,
      remote: formatAddress(section.remoteAddr),
    }),
    reload: async ({ client: next }) => {
      if (next !== undefined) await client.reload(next);
      return next !== undefined;
    },
    visitorsOpen: () => countVisitors(client),
    close: (close) => client.close(close),
  };
}

function countVisitors(role: Server | Client): number {
  return role.stats().services.reduce((sum, { visitorsOpen }) => sum + visitorsOpen, 0);
}

function sectionOf<Section>(section: Section | undefined): Section {
  if (section === undefined) throw new WarrenError('WARREN_E_STATE', 'the section is missing');
  return section;
}
