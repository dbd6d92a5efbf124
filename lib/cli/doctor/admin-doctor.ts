import type { AdminPlace } from '../places.ts'
import { AdminSource } from '../sources/admin-source.ts'
import { faultText } from '../sources/redis-fault.ts'
import { duration } from '../units.ts'
import { adviceCheck, type Check } from './checks.ts'

/** Asks the app how its cache does. Never rejects. */
export async function examineApp (place: AdminPlace): Promise<Check[]> {
  const source = new AdminSource(place)
  const beganAt = performance.now()
  try {
    const { status, store, reasons } = await source.health()
    const answered: Check = { name: 'app', result: 'ok', text: `${source.name}, answered after ${duration(performance.now() - beganAt)}` }
    const health: Check[] = status === 'ok'
      ? [{ name: 'health', result: 'ok', text: `entries are in ${store}` }]
      : reasons.map(({ text, docs }) => ({ name: 'health', result: 'risk', text, docs }))
    const advice = await source.advice()
    return [answered, ...health, ...advice.length === 0 ? [{ name: 'advice', result: 'ok', text: 'nothing to say' } as const] : advice.map((one) => adviceCheck('advice', one))]
  } catch (fault) {
    return [{ name: 'app', result: 'failed', text: faultText(fault) }]
  }
}
