import { setTimeout } from 'node:timers/promises'

const MOST_SECONDS = 20

/** Asks again until it is so. Where that never happens, or an answer never comes, the error says what was waited for. */
export async function until (isSo: () => boolean | Promise<boolean>, seconds = MOST_SECONDS): Promise<void> {
  const waiting = new AbortController()
  const { signal } = waiting
  const inVain = async (): Promise<void> => {
    await setTimeout(1000 * seconds, undefined, { signal, ref: false })
    throw new Error(`waited ${seconds} s in vain for ${isSo}`)
  }
  const asked = async (): Promise<void> => {
    while (!signal.aborted && !await isSo()) await setTimeout(5)
  }
  try {
    await Promise.race([inVain(), asked()])
  } finally {
    waiting.abort()
  }
}

/** What this gives. Where it never does, the error says so within seconds. */
export async function soon<T> (what: string, result: Promise<T>, seconds = 8): Promise<T> {
  const waiting = new AbortController()
  const inVain = async (): Promise<never> => {
    await setTimeout(1000 * seconds, undefined, { signal: waiting.signal })
    throw new Error(`waited ${seconds} s in vain for ${what}`)
  }
  try {
    return await Promise.race([inVain(), result])
  } finally {
    waiting.abort()
  }
}
