// Configuration files of the peers: the same settings for all, nodelay everywhere.

import type { Ports } from './peer.ts';
import { type Settings, TCP, type Transport } from './transport.ts';

/** One file format for rathole and warren. `settings`: of both ends, and of warren only. */
export function ratholeConfigs(
  ports: Ports,
  transport: Transport,
  settings: Settings = {},
): { server: string; client: string } {
  const further = assignments(settings);
  const server = `[server]
bind_addr = "${ports.host}:${ports.control}"
default_token = "bench"
${further}${transportTables('server', transport)}[server.services.tcp]
bind_addr = "127.0.0.1:${ports.tcp}"
nodelay = true
[server.services.udp]
type = "udp"
bind_addr = "127.0.0.1:${ports.udp}"
`;
  const client = `[client]
remote_addr = "${ports.host}:${ports.control}"
default_token = "bench"
${further}${transportTables('client', transport)}[client.services.tcp]
local_addr = "127.0.0.1:${ports.sink}"
nodelay = true
[client.services.udp]
type = "udp"
local_addr = "127.0.0.1:${ports.sink}"
`;
  return { server, client };
}

function transportTables(side: 'server' | 'client', transport: Transport): string {
  const table = (type: string, settings: Settings): string =>
    `[${side}.transport.${type}]\n${assignments(settings)}`;
  const { type } = transport;
  const own = type === 'tcp' ? '' : table(type, transport[side]);
  return `[${side}.transport]\ntype = "${type}"\n${table('tcp', TCP[side])}${own}`;
}

/** JSON's strings and booleans are TOML's. */
function assignments(settings: Settings): string {
  return Object.entries(settings)
    .map(([key, value]) => `${key} = ${JSON.stringify(value)}\n`)
    .join('');
}

/** frp with a pool of 8 as rathole has, no TLS. On loopback it is faster without multiplexing. */
export function frpConfigs(ports: Ports, tcpMux: boolean): { server: string; client: string } {
  const server = `bindAddr = "${ports.host}"
bindPort = ${ports.control}
proxyBindAddr = "127.0.0.1"
transport.tcpMux = ${tcpMux}
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
  const client = `serverAddr = "${ports.host}"
serverPort = ${ports.control}
transport.tcpMux = ${tcpMux}
transport.poolCount = 8
transport.tls.enable = false
log.level = "warn"
${proxy('tcp')}${proxy('udp')}`;
  return { server, client };
}
