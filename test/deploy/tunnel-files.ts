/** Configuration files of a tunnel on loopback, for both ends. */

/** The pair of wire-v1 4.3. */
export const TRANSPORTS = {
  tcp: { server: '', client: '' },
  noise: {
    server: 'noise = { local_private_key = "AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA=" }',
    client: 'noise = { remote_public_key = "B6N8vBQgk8i3VdwbEOhstCY3StFqqFPtC9/AsrhtHHw=" }',
  },
} as const;

export type TransportName = keyof typeof TRANSPORTS;
export type Services = Readonly<Record<string, string>>;

const TOKEN = 'sandboxed';

export function serverFile(
  port: number,
  services: Services,
  transport: TransportName = 'tcp',
): string {
  return file('server', `bind_addr = "127.0.0.1:${port}"`, services, transport);
}

/** It dials a name: that names are looked up is part of what a sandbox must let through. */
export function clientFile(
  port: number,
  services: Services,
  transport: TransportName = 'tcp',
): string {
  return file('client', `remote_addr = "localhost:${port}"`, services, transport);
}

function file(
  role: 'server' | 'client',
  address: string,
  services: Services,
  transport: TransportName,
): string {
  const tables = Object.entries(services).map(
    ([name, keys]) => `[${role}.services.${name}]\n${keys}\n`,
  );
  const table = `[${role}.transport]\ntype = "${transport}"\n${TRANSPORTS[transport][role]}\n`;
  return `[${role}]\n${address}\ndefault_token = "${TOKEN}"\n\n${table}\n${tables.join('\n')}`;
}

export const bind = (port: number): string => `bind_addr = "127.0.0.1:${port}"`;
export const to = (port: number): string => `local_addr = "127.0.0.1:${port}"`;
export const UDP = 'type = "udp"\n';
