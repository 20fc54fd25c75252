/** A reverse listener that allows everything and records nothing: what capture alone costs, to be measured. */
import { openIds } from '@countersign/record/id'
import { systemClock } from '../../platform.ts'
import { listenInbound } from '../inbound.ts'
import { allow, defaultLimits } from './inbound.ts'

/** Everything goes to 127.0.0.1:upstreamPort. */
export async function openDoor(
  upstreamPort: number,
): Promise<{ readonly port: number; close(): Promise<void> }> {
  const listening = await listenInbound({
    listener: { address: '127.0.0.1:0' },
    limits: defaultLimits,
    trustedHops: [],
    services: { orders: { upstream: new URL(`http://127.0.0.1:${upstreamPort}`) } },
    clock: systemClock,
    ids: openIds({ nowMs: Date.now }),
    gatewayName: 'test',
    recordMalformed: async () => undefined,
    journey: allow,
  })
  return { port: listening.port, close: () => listening.close({ graceMs: 0 }) }
}
