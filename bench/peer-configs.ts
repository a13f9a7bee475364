// Configuration files of the peers: the same settings for all, nodelay everywhere.

import type { Ports } from './peer.ts';
import { type Settings, TCP, type Transport } from './transport.ts';

/** One file format for rathole and warren. */
export function ratholeConfigs(
  ports: Ports,
  transport: Transport,
): { server: string; client: string } {
  const server = `[server]
bind_addr = "127.0.0.1:${ports.control}"
default_token = "bench"
${transportTables('server', transport)}[server.services.tcp]
bind_addr = "127.0.0.1:${ports.tcp}"
nodelay = true
[server.services.udp]
type = "udp"
bind_addr = "127.0.0.1:${ports.udp}"
`;
  const client = `[client]
remote_addr = "127.0.0.1:${ports.control}"
default_token = "bench"
${transportTables('client', transport)}[client.services.tcp]
local_addr = "127.0.0.1:${ports.sink}"
nodelay = true
[client.services.udp]
type = "udp"
local_addr = "127.0.0.1:${ports.sink}"
`;
  return { server, client };
}

function transportTables(side: 'server' | 'client', transport: Transport): string {
  const table = (type: string, settings: Settings): string[] => [
    `[${side}.transport.${type}]`,
    // JSON's strings and booleans are TOML's.
    ...Object.entries(settings).map(([key, value]) => `${key} = ${JSON.stringify(value)}`),
  ];
  const { type } = transport;
  const lines = [
    `[${side}.transport]`,
    `type = "${type}"`,
    ...table('tcp', TCP[side]),
    ...(type === 'tcp' ? [] : table(type, transport[side])),
  ];
  return lines.map((line) => `${line}\n`).join('');
}

/** frp's faster mode here: no multiplexing, a pool of 8 as rathole has, no TLS. */
export function frpConfigs(ports: Ports): { server: string; client: string } {
  const server = `bindAddr = "127.0.0.1"
bindPort = ${ports.control}
proxyBindAddr = "127.0.0.1"
transport.tcpMux = false
transport.maxPoolCount = 8
log.level = "warn"
`;
  const proxy = (type: 'tcp' | 'udp'): string => `[[proxies]]
name = "${type}"
type = "${type}"
localIP = "127.0.0.1"
localPort = ${ports.sink}
remotePort = ${ports[type]}
`;
  const client = `serverAddr = "127.0.0.1"
serverPort = ${ports.control}
transport.tcpMux = false
transport.poolCount = 8
transport.tls.enable = false
log.level = "warn"
${proxy('tcp')}${proxy('udp')}`;
  return { server, client };
}
