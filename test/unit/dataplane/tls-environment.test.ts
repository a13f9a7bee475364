/** What node:tls would take from the environment and must not: verification is always on. */
import { afterEach, describe, expect, it, vi } from 'vitest';
import { clientSpec, refusal, serverSpec, TlsScene } from '../../helpers/tls-scene.ts';

describe('tls and the environment', () => {
  const scene = new TlsScene();
  afterEach(async () => {
    vi.unstubAllEnvs();
    await scene.end();
  });

  it('refuses a foreign certificate also where Node is told to take any', async () => {
    vi.stubEnv('NODE_TLS_REJECT_UNAUTHORIZED', '0');
    const { address, next } = await scene.ourServer(serverSpec('foreign'));
    const server = next();
    const error = await refusal(scene.ourClient(address, clientSpec()));
    expect(error.reason).toBe('certificate_refused');
    await refusal(server);
  });
});
