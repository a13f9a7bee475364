// Configuration files of the peers: the same settings for all, nodelay everywhere.

import { CERTIFICATE_NAME } from './certificate.ts';
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
${further}${transportTables('server', transport)}${tables('server', ports, 'bind_addr')}`;
  const client = `[client]
remote_addr = "${ports.host}:${ports.control}"
default_token = "bench"
${further}${transportTables('client', transport)}${tables('client', ports, 'local_addr')}`;
  return { server, client };
}

function tables(side: 'server' | 'client', { services }: Ports, key: string): string {
  return services
    .map(
      ({ name, type, port, local }) => `[${side}.services.${name}]
${key} = "127.0.0.1:${side === 'server' ? port : local}"
${type === 'udp' ? 'type = "udp"' : 'nodelay = true'}
`,
    )
    .join('');
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

/**
 * frp with a pool of 8 as rathole has. On loopback it is faster without multiplexing. Its TLS has
 * the run's certificates, and its client verifies the server, as those of the others do.
 */
export function frpConfigs(
  ports: Ports,
  { pem }: Transport,
  tcpMux: boolean,
): { server: string; client: string } {
  const server = `bindAddr = "${ports.host}"
bindPort = ${ports.control}
proxyBindAddr = "127.0.0.1"
transport.tcpMux = ${tcpMux}
transport.maxPoolCount = 8
${pem === undefined ? '' : frpServerTls(pem)}log.level = "warn"
`;
  const proxies = ports.services.map(
    ({ name, type, port, local }) => `[[proxies]]
name = "${name}"
type = "${type}"
localIP = "127.0.0.1"
localPort = ${local}
remotePort = ${port}
`,
  );
  const { admin } = ports;
  const client = `serverAddr = "${ports.host}"
serverPort = ${ports.control}
transport.tcpMux = ${tcpMux}
transport.poolCount = 8
transport.tls.enable = ${pem !== undefined}
${pem === undefined ? '' : frpClientTls(pem)}${admin === undefined ? '' : frpAdmin(admin)}log.level = "warn"
${proxies.join('')}`;
  return { server, client };
}

/** Where `frpc reload` asks the client to. */
function frpAdmin(port: number): string {
  return `webServer.addr = "127.0.0.1"
webServer.port = ${port}
`;
}

type Pem = NonNullable<Transport['pem']>;

/** Whoever comes without TLS is refused: its figures would stand under the wrong name. */
function frpServerTls({ cert, key }: Pem): string {
  return `transport.tls.force = true
transport.tls.certFile = ${JSON.stringify(cert)}
transport.tls.keyFile = ${JSON.stringify(key)}
`;
}

function frpClientTls({ root }: Pem): string {
  return `transport.tls.trustedCaFile = ${JSON.stringify(root)}
transport.tls.serverName = "${CERTIFICATE_NAME}"
`;
}
