import { setTimeout as sleep } from 'node:timers/promises'

/** A whole number from 0 to `below`, without it. */
export function below (limit: number): number {
  return Math.floor(Math.random() * limit)
}

export function oneOf<T> (list: readonly T[]): T {
  return list[below(list.length)]!
}

/** Small numbers more often: of what is asked for most, half is asked for by a third of the requests. */
export function skewed (limit: number): number {
  return Math.floor(limit * Math.random() ** 2)
}

/** Mostly some milliseconds, now and then much longer. */
export async function handlerTime (): Promise<void> {
  const dice = Math.random()
  if (dice < 0.2) return
  await sleep(dice < 0.8 ? below(6) : dice < 0.97 ? below(30) : below(150))
}
