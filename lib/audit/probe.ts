import type { Crossing, Scene } from './scene.ts'

export type Severity = 'high' | 'medium' | 'low'

/** Names that an app reads beyond those that are tried anyway. */
export interface Names {
  readonly headers?: readonly string[]
  readonly cookies?: readonly string[]
  readonly query?: readonly string[]
}

/** One attempt to make the cache give somebody what was not meant for them. */
export interface Probe {
  readonly name: string
  /** The advisory, the paper, or the section of the RFC. */
  readonly reference: string
  readonly severity: Severity
  /** What to do about it. */
  readonly advice: string
  /** What happened, as a sentence; `undefined`: it held. */
  run (scene: Scene): Promise<string | undefined>
}

/** A probe made of crossings; the first that is not held counts. */
export function crossingProbe (about: Omit<Probe, 'run'>, ...crossings: readonly Crossing[]): Probe {
  return {
    ...about,
    async run (scene) {
      for (const crossing of crossings) {
        const evidence = await scene.cross(crossing)
        if (evidence !== undefined) return evidence
      }
      return undefined
    }
  }
}

/** The URL with one more text in its query. */
export function withQuery (text: string): (url: string) => string {
  return (url) => `${url}${url.includes('?') ? '&' : '?'}${text}`
}

/** The URL with another path. */
export function withPath (change: (path: string) => string): (url: string) => string {
  return (url) => {
    const at = url.indexOf('?')
    return at === -1 ? change(url) : `${change(url.slice(0, at))}${url.slice(at)}`
  }
}
