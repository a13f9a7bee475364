/** A real nginx in front of a WebSocket server, as an operator would have it. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { certificateFile, keyFile } from './certificates.ts';
import type { Resources } from './process-resources.ts';
import { findProgram, type RunningProgram, startProgram } from './programs.ts';

/** Undefined where it is not installed. */
export const NGINX: string | undefined = findProgram('nginx');

export interface NginxOptions {
  readonly upstream: number;
  /** The only path that is passed on. */
  readonly path: string;
  /** TLS ends here; what is behind is plain. */
  readonly tls?: boolean;
}

/** Its file `requests` has a line `PATH STATUS x-site=VALUE host=HOST` for each request that has ended. */
export function startNginx(resources: Resources, options: NginxOptions): Promise<RunningProgram> {
  const program = NGINX;
  if (program === undefined) throw new Error('no nginx');
  return startProgram(resources, {
    name: 'nginx',
    command: (port, folder) => {
      const file = join(folder, 'nginx.conf');
      writeFileSync(file, configuration(port, folder, options));
      return [program, '-c', file, '-p', folder, '-e', 'stderr'];
    },
  });
}

function configuration(port: number, folder: string, { upstream, path, tls }: NginxOptions) {
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map((kind) => `${kind}_temp_path ${folder}/${kind};`)
    .join('\n  ');
  const secure = tls
    ? `ssl_certificate ${certificateFile('ecdsa')};\n    ssl_certificate_key ${keyFile('ecdsa')};`
    : '';
  return `daemon off;
master_process off;
pid ${folder}/nginx.pid;
error_log stderr warn;
events { worker_connections 1024; }
http {
  ${temporary}
  log_format seen '$uri $status x-site=$http_x_site host=$http_host';
  access_log ${folder}/requests seen;
  server {
    listen 127.0.0.1:${port}${tls ? ' ssl' : ''};
    ${secure}
    location = ${path} {
      proxy_pass http://127.0.0.1:${upstream};
      proxy_http_version 1.1;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection "upgrade";
      proxy_set_header Host $http_host;
      proxy_read_timeout 1h;
    }
  }
}
`;
}
