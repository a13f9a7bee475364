/**
 * Configuration files, valid and invalid in many ways, and where warren means to differ from
 * rathole.
 */

/** `same`: both accept or both refuse. Otherwise who differs, and why. */
export type Expectation = 'same' | { readonly stricter: string } | { readonly milder: string };

export interface ConfigCase {
  readonly name: string;
  readonly text: string;
  readonly expect: Expectation;
}

const S = '[server]\nbind_addr = "127.0.0.1:0"\n';
const C = '[client]\nremote_addr = "127.0.0.1:1"\n';
const NONE = '[server.services]\n';
const server = (rest: string) => `${S}${rest}`;
const bare = (rest: string) => `${S}${rest}\n${NONE}`;
const service = (rest: string) =>
  `${S}[server.services.a]\nbind_addr = "127.0.0.1:0"\ntoken = "t"\n${rest}\n`;
const client = (rest: string) => `${C}${rest}`;
const clientService = (rest: string) =>
  `${C}[client.services.a]\nlocal_addr = "127.0.0.1:22"\ntoken = "t"\n${rest}\n`;
const transport = (rest: string) => `${S}${NONE}[server.transport]\n${rest}\n`;
const clientTransport = (rest: string) => `${C}[client.services]\n[client.transport]\n${rest}\n`;

const KEY = 'AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA=';
const NEVER = 'can never work';
const TOML_1 = 'TOML 1.0 or 1.1';

function same(name: string, text: string): ConfigCase {
  return { name, text, expect: 'same' };
}
function stricter(name: string, text: string, reason: string = NEVER): ConfigCase {
  return { name, text, expect: { stricter: reason } };
}
function milder(name: string, text: string, reason: string): ConfigCase {
  return { name, text, expect: { milder: reason } };
}

const syntax: ConfigCase[] = [
  same('empty file', ''),
  same('only a comment', '# nothing'),
  same('neither section', 'other = 1'),
  same('an empty server table', '[server]'),
  same('byte order mark', `\uFEFF${bare('')}`),
  same('CRLF line ends', bare('').replaceAll('\n', '\r\n')),
  same('bare CR line ends', bare('').replaceAll('\n', '\r')),
  same('no newline at the end', `${S}[server.services]`),
  same('dotted keys', 'server.bind_addr = "127.0.0.1:0"\nserver.services = {}'),
  same(
    'dotted keys in a service',
    server('services.a.token = "t"\nservices.a.bind_addr = "127.0.0.1:0"'),
  ),
  milder(
    'dotted then a header',
    server('transport.type = "tcp"\n[server.transport.tcp]\n[server.services]'),
    TOML_1,
  ),
  same(
    'inline then a header',
    server('transport = {type = "tcp"}\n[server.transport.tcp]\n[server.services]'),
  ),
  same(
    'dotted section then its header',
    'server.bind_addr = "127.0.0.1:0"\n[server]\n[server.services]',
  ),
  same('subtable before its parent', `${NONE}${S}`),
  same('table defined twice', bare(NONE)),
  same('section defined twice', bare('[server]')),
  same('service defined twice', service('[server.services.a]\nnodelay = true')),
  same('key twice', bare('bind_addr = "127.0.0.1:0"')),
  stricter(
    'inline service twice',
    server(
      'services = {a = {token = "t", bind_addr = "127.0.0.1:0"}, a = {token = "u", bind_addr = "127.0.0.1:0"}}',
    ),
    'TOML forbids it; rathole keeps the last',
  ),
  same('array of tables for services', server('[[server.services]]')),
  same('array for services', server('services = []')),
  same('quoted keys', `["server"]\n'bind_addr' = "127.0.0.1:0"\n["server" . services]`),
  same(
    'quoted service name with a dot',
    server('[server.services."a.b"]\ntoken = "t"\nbind_addr = "127.0.0.1:0"'),
  ),
  same(
    'empty service name',
    server('[server.services.""]\ntoken = "t"\nbind_addr = "127.0.0.1:0"'),
  ),
  same('bare unicode key', server('[server.services.é]\ntoken = "t"\nbind_addr = "127.0.0.1:0"')),
  same(
    'quoted unicode key',
    server('[server.services."é"]\ntoken = "t"\nbind_addr = "127.0.0.1:0"'),
  ),
  same(
    'service called constructor',
    server('[server.services.constructor]\ntoken = "t"\nbind_addr = "127.0.0.1:0"'),
  ),
  same(
    'service called __proto__',
    server('[server.services.__proto__]\ntoken = "t"\nbind_addr = "127.0.0.1:0"'),
  ),
  same('unknown key called constructor', bare('constructor = 1')),
  same('unknown key called __proto__', bare('__proto__ = {}')),
  milder('newline in an inline table', server('services = {\n}'), TOML_1),
  milder(
    'comma at the end of an inline table',
    server('services = {a = {token = "t", bind_addr = "127.0.0.1:0",}}'),
    TOML_1,
  ),
  same('multi-line literal string', service('nodelay = true').replace('"t"', "'''\nt'''")),
  same('multi-line string with a fourth quote', service('').replace('"t"', '"""t""""')),
  same('line-ending backslash', service('').replace('"t"', '"""t\\\n   u"""')),
  same('unicode escapes', service('').replace('"t"', '"\\u00e9\\U0001F600"')),
  same('surrogate escape', service('').replace('"t"', '"\\ud800"')),
  milder('escape \\e', service('').replace('"t"', '"\\e"'), TOML_1),
  milder('escape \\x', service('').replace('"t"', '"\\x41"'), TOML_1),
  same('NUL by escape', service('').replace('"t"', '"a\\u0000b"')),
  same('DEL in a string', service('').replace('"t"', '"a\u007fb"')),
  same('control character in a comment', bare('# \u0001')),
  stricter('DEL in a comment', bare('# \u007f'), 'TOML forbids it'),
  same('unfinished string', server('default_token = "abc')),
  same('no value', bare('default_token =')),
  same('two pairs on a line', bare('default_token = "a" heartbeat_interval = 3')),
  same('unquoted string', bare('default_token = abc')),
];

const values: ConfigCase[] = [
  same('heartbeat 0', bare('heartbeat_interval = 0')),
  same('heartbeat 2^63-1', bare('heartbeat_interval = 9223372036854775807')),
  same('heartbeat 2^63', bare('heartbeat_interval = 9223372036854775808')),
  same('heartbeat 2^64-1', bare('heartbeat_interval = 18446744073709551615')),
  same('heartbeat hexadecimal', bare('heartbeat_interval = 0x1E')),
  same('heartbeat octal', bare('heartbeat_interval = 0o36')),
  same('heartbeat binary', bare('heartbeat_interval = 0b11110')),
  same('heartbeat with underscores', bare('heartbeat_interval = 3_0')),
  same('heartbeat with two underscores', bare('heartbeat_interval = 3__0')),
  same('heartbeat with plus', bare('heartbeat_interval = +30')),
  same('heartbeat minus zero', bare('heartbeat_interval = -0')),
  same('heartbeat leading zero', bare('heartbeat_interval = 030')),
  same('heartbeat negative', bare('heartbeat_interval = -1')),
  same('heartbeat float', bare('heartbeat_interval = 30.0')),
  same('heartbeat exponent', bare('heartbeat_interval = 3e1')),
  same('heartbeat infinite', bare('heartbeat_interval = inf')),
  same('heartbeat string', bare('heartbeat_interval = "30"')),
  same('heartbeat boolean', bare('heartbeat_interval = true')),
  same('heartbeat date', bare('heartbeat_interval = 1979-05-27')),
  same('heartbeat array', bare('heartbeat_interval = [30]')),
  same('bind_addr missing', `[server]\n${NONE}`),
  same('bind_addr integer', `[server]\nbind_addr = 2333\n${NONE}`),
  same('token integer', service('').replace('"t"', '5')),
  same('token empty', service('').replace('"t"', '""')),
  same('token missing', server('[server.services.a]\nbind_addr = "127.0.0.1:0"')),
  same(
    'default token',
    server('default_token = "t"\n[server.services.a]\nbind_addr = "127.0.0.1:0"'),
  ),
  same('default token unused', bare('default_token = "t"')),
  same('type udp', service('type = "udp"')),
  same('type TCP', service('type = "TCP"')),
  same('type empty', service('type = ""')),
  stricter('type as a table', transport('type = { tcp = {} }'), 'an accident of its parser'),
  same('nodelay true', service('nodelay = true')),
  same('nodelay 1', service('nodelay = 1')),
  same('nodelay string', service('nodelay = "true"')),
  same('service is a string', server('services = { a = "t" }')),
  same('server is a string', 'server = "x"'),
  same('server is an array', 'server = ["127.0.0.1:0"]'),
];

const keys: ConfigCase[] = [
  same('unknown section', bare('[other]')),
  same('unknown key in server', bare('bind_adr = "x"')),
  same('unknown key in a service', service('bind_adr = "x"')),
  same('table in a service', service('[server.services.a.b]')),
  same('unknown key in transport', transport('type = "tcp"\nudp = {}')),
  same('unknown key in tcp', transport('type = "tcp"\ntcp.no_delay = true')),
  same('unknown key in tls', transport('type = "tcp"\ntls.ca = ""')),
  same('unknown key in noise', transport('type = "tcp"\nnoise.key = ""')),
  same(
    'unknown key in websocket',
    transport('type = "tcp"\nwebsocket = {tls = true, paths = "/"}'),
  ),
  milder(
    'websocket path and headers',
    clientTransport(
      'type = "websocket"\nwebsocket = {tls = false, path = "/t", headers = {A = "b"}}',
    ),
    'for use behind a gateway',
  ),
  milder(
    'tls by PEM, mutual',
    transport('type = "tcp"\ntls = {cert = "c", key = "k", client_root = "r"}'),
    'PEM files and client certificates',
  ),
  same('client key in server', bare('remote_addr = "127.0.0.1:1"')),
  same('retry_interval in a server service', service('retry_interval = 1')),
  same('retry_interval in a client service', clientService('retry_interval = 5')),
  same('client', clientService('')),
  same('client without services', client('[client.services]')),
  same('client timing', client('heartbeat_timeout = 0\nretry_interval = 0\n[client.services]')),
  same('local_addr missing', client('[client.services.a]\ntoken = "t"')),
  same('both sections', `${bare('')}${client('[client.services]')}`),
  milder('services missing', S, 'nothing to expose yet'),
  milder('client services missing', C, 'nothing to expose yet'),
  milder('prefer_ipv6', client('prefer_ipv6 = true\n[client.services]'), 'a later version has it'),
  milder('channels of a server', bare('channels = "v1"'), 'our own'),
  milder('channels of a client', client('channels = "reuse"\n[client.services]'), 'our own'),
  same('channels of another kind', bare('channels = "v2"')),
  milder('prefer_ipv6 in a service', clientService('prefer_ipv6 = true'), 'a later version has it'),
];

const transports: ConfigCase[] = [
  same('transport without type', transport('')),
  same('only transport.tcp', server(`${NONE}[server.transport.tcp]\nnodelay = true`)),
  same('transport tcp', transport('type = "tcp"')),
  same('transport unknown', transport('type = "quic"')),
  same(
    'tcp options',
    transport(
      'type = "tcp"\ntcp = {nodelay = false, keepalive_secs = 0, keepalive_interval = 99999}',
    ),
  ),
  same('tcp as an array', transport('type = "tcp"\ntcp = [true, 20, 8]')),
  same('keepalive negative', transport('type = "tcp"\ntcp.keepalive_secs = -1')),
  same('tls without its table', transport('type = "tls"')),
  same('tls server without pkcs12', transport('type = "tls"\ntls = {}')),
  same('tls server without password', transport('type = "tls"\ntls.pkcs12 = "x"')),
  stricter(
    'tls server with a missing file',
    transport('type = "tls"\ntls = {pkcs12 = "/nonexistent", pkcs12_password = ""}'),
  ),
  same('tls client with an empty table', clientTransport('type = "tls"\ntls = {}')),
  same('tls client without its table', clientTransport('type = "tls"')),
  same('unselected tls table', transport('type = "tcp"\ntls = {}')),
  same('unselected tls table of a wrong type', transport('type = "tcp"\ntls = {pkcs12 = 5}')),
  same('unselected websocket table without tls', transport('type = "tcp"\nwebsocket = {}')),
  same(
    'unselected noise garbage',
    transport('type = "tcp"\nnoise = {pattern = "x", local_private_key = "y"}'),
  ),
  stricter('noise without its table', transport('type = "noise"')),
  same('noise with an empty table', transport('type = "noise"\nnoise = {}')),
  same('noise with a key', transport(`type = "noise"\nnoise.local_private_key = "${KEY}"`)),
  same('noise client', clientTransport(`type = "noise"\nnoise.remote_public_key = "${KEY}"`)),
  same(
    'noise KK server',
    transport(
      `type = "noise"\n[server.transport.noise]\npattern = "Noise_KK_25519_AESGCM_SHA256"\nlocal_private_key = "${KEY}"\nremote_public_key = "${KEY}"`,
    ),
  ),
  stricter('noise client without the server’s key', clientTransport('type = "noise"\nnoise = {}')),
  stricter(
    'noise short key',
    transport('type = "noise"\nnoise.local_private_key = "AAAA"'),
    'a key of a guessable length',
  ),
  stricter('noise key no Base64', transport('type = "noise"\nnoise.local_private_key = "***"')),
  stricter(
    'noise psk',
    transport('type = "noise"\nnoise.pattern = "Noise_NKpsk0_25519_ChaChaPoly_BLAKE2s"'),
  ),
  stricter(
    'noise 448',
    transport('type = "noise"\nnoise.pattern = "Noise_NK_448_ChaChaPoly_BLAKE2s"'),
  ),
  stricter('noise pattern garbage', transport('type = "noise"\nnoise.pattern = "x"')),
  stricter('websocket without its table', transport('type = "websocket"')),
  same('websocket', transport('type = "websocket"\nwebsocket.tls = false')),
  same('websocket table without tls', transport('type = "websocket"\nwebsocket = {}')),
  stricter(
    'websocket tls client without tls',
    clientTransport('type = "websocket"\nwebsocket.tls = true'),
  ),
  same('proxy socks5', clientTransport('type = "tcp"\ntcp.proxy = "socks5://u:p@127.0.0.1:1081"')),
  same('proxy http', clientTransport('type = "tcp"\ntcp.proxy = "http://127.0.0.1:8080/"')),
  same(
    'proxy upper-case scheme',
    clientTransport('type = "tcp"\ntcp.proxy = "HTTP://127.0.0.1:8080"'),
  ),
  same('proxy default port', clientTransport('type = "tcp"\ntcp.proxy = "http://127.0.0.1"')),
  same('proxy ftp', clientTransport('type = "tcp"\ntcp.proxy = "ftp://h"')),
  same('proxy https', clientTransport('type = "tcp"\ntcp.proxy = "https://h"')),
  same('proxy socks5h', clientTransport('type = "tcp"\ntcp.proxy = "socks5h://h"')),
  same('proxy empty', clientTransport('type = "tcp"\ntcp.proxy = ""')),
  same('proxy no URL', clientTransport('type = "tcp"\ntcp.proxy = "127.0.0.1:1080"')),
  same('proxy bad port', clientTransport('type = "tcp"\ntcp.proxy = "http://h:99999"')),
  stricter('proxy without a host', clientTransport('type = "tcp"\ntcp.proxy = "socks5:"')),
  same('proxy of a server', transport('type = "tcp"\ntcp.proxy = "socks5:"')),
  same('proxy of a server, ftp', transport('type = "tcp"\ntcp.proxy = "ftp://h"')),
];

const addresses: ConfigCase[] = [
  ...[
    '[::1]:0',
    '::1:0',
    '127.1:0',
    '127.0.0.1:000',
    '127.0.0.1:+0',
    '[::1%1]:0',
    'localhost:0',
  ].map((addr) => same(`bind ${addr}`, `[server]\nbind_addr = "${addr}"\n${NONE}`)),
  ...[
    '',
    'x',
    ':0',
    '127.0.0.1',
    '127.0.0.1:',
    '127.0.0.1:65536',
    '127.0.0.1:-1',
    '127.0.0.1:0x1',
    ' 127.0.0.1:0',
    '[127.0.0.1]:0',
    '[::1]',
    '127.0.0.1:0 ',
  ].map((addr) => stricter(`bind "${addr}"`, `[server]\nbind_addr = "${addr}"\n${NONE}`)),
  stricter('remote_addr without a port', '[client]\nremote_addr = "h"\n[client.services]'),
  stricter('remote port 0', '[client]\nremote_addr = "127.0.0.1:0"\n[client.services]'),
  stricter('local port 0', clientService('').replace(':22', ':0')),
  stricter(
    'service on the server’s address',
    `[server]\nbind_addr = "127.0.0.1:39401"\n[server.services.a]\ntoken = "t"\nbind_addr = "127.0.0.1:39401"`,
  ),
  stricter(
    'two services on one address',
    server(
      'default_token = "t"\nservices = {a = {bind_addr = "127.0.0.1:39402"}, b = {bind_addr = "127.1:039402"}}',
    ),
  ),
  same(
    'tcp and udp on one address',
    server(
      'default_token = "t"\nservices = {a = {bind_addr = "127.0.0.1:39403"}, b = {bind_addr = "127.0.0.1:39403", type = "udp"}}',
    ),
  ),
  same(
    'two services on port 0',
    server(
      'default_token = "t"\nservices = {a = {bind_addr = "127.0.0.1:0"}, b = {bind_addr = "127.0.0.1:0"}}',
    ),
  ),
  stricter(
    'variable that is not set',
    service('').replace('"t"', '"$' + '{WARREN_TEST_UNSET}"'),
    'a token may name a variable',
  ),
  milder('token file', service('').replace('token = "t"', 'token_file = "token"'), 'a key of ours'),
  milder(
    'default token file',
    server('default_token_file = "token"\n[server.services]'),
    'a key of ours',
  ),
];

/** Every case. */
export const CONFIG_CASES: readonly ConfigCase[] = [
  ...syntax,
  ...values,
  ...keys,
  ...transports,
  ...addresses,
];
