// A thousand services that come, change and go while the tunnel runs.

import { setTimeout as sleep } from 'node:timers/promises';
import { readDescriptorLimit } from '../machine/memory.ts';
import { freePorts } from '../machine/process.ts';
import { untilAll } from '../machine/visit.ts';
import type { Service } from '../peers/peer.ts';
import type { Cell, RowKind } from './row.ts';

const SERVICES = 1000;
const LIMIT_MS = 20_000;
/** Pools are filled then, which goes on when all services answer. */
const SETTLE_MS = 500;
/** A control channel, a listener and the pool of 8 that rathole and frp have. */
const DESCRIPTORS_EACH = 10;
const OTHER_DESCRIPTORS = 200;

/** From the change of the files until the last service is as they say. */
export const reload: RowKind = {
  name: 'reload',
  title: `reload, ${SERVICES.toLocaleString('en')} tcp services`,
  // A second try would start from what the first has left allocated, and it is long.
  repeatable: false,
  metrics: [
    { key: 'addMs', title: 'all added ms', better: 'less' },
    { key: 'changeOneMs', title: 'one changed ms', better: 'less' },
    { key: 'removeMs', title: 'all removed ms', better: 'less' },
    { key: 'rssServices', title: 'RSS with all MiB', better: 'less' },
  ],
  async run(cell) {
    const { control, sinkAddr } = cell;
    if (control === undefined) return {};
    assertDescriptors();
    const local = Number(sinkAddr.split(':')[1]);
    const [moved = 0, ...ports] = await freePorts(SERVICES + 1);
    const services = ports.map((port, index): Service => {
      return { name: `service-${index}`, type: 'tcp', port, local };
    });
    const timed = async (
      what: string,
      further: readonly Service[],
      { of, are }: { readonly of: readonly number[]; readonly are: 'answered' | 'refused' },
    ): Promise<number> => {
      const started = performance.now();
      try {
        await control.setServices(further);
        await untilAll(of, are, LIMIT_MS);
      } catch (error) {
        throw new Error(`${what}: ${error instanceof Error ? error.message : String(error)}`);
      }
      return performance.now() - started;
    };
    const addMs = await timed('services added', services, { of: ports, are: 'answered' });
    const rssServices = await settledRss(cell);
    const changed = services.map((service, index) =>
      index === 0 ? { ...service, port: moved } : service,
    );
    const changeOneMs = await timed('a service moved', changed, { of: [moved], are: 'answered' });
    const last = changed.map(({ port }) => port);
    const removeMs = await timed('services removed', [], { of: last, are: 'refused' });
    return { addMs, changeOneMs, removeMs, rssServices };
  },
};

function assertDescriptors(): void {
  const [limit, needed] = [readDescriptorLimit(), SERVICES * DESCRIPTORS_EACH + OTHER_DESCRIPTORS];
  if (limit < needed) {
    throw new Error(`needs ${needed} descriptors a process, ulimit -n allows ${limit}`);
  }
}

async function settledRss(cell: Cell): Promise<number> {
  await sleep(SETTLE_MS);
  return cell.memory().rssKib / 1024;
}
