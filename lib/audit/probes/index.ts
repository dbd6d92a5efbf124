import type { Names, Probe } from '../probe.ts'
import { conditions } from './conditions.ts'
import { identity, namedCookies } from './identity.ts'
import { methods, unsafeMethods } from './methods.ts'
import { responses } from './responses.ts'
import { namedHeaders, unkeyedHeaders } from './unkeyed-headers.ts'
import { namedParameters, urls } from './urls.ts'

export interface Wanted {
  readonly names: Names
  /** Whether to send other methods than safe ones. */
  readonly allowUnsafe: boolean
}

/** All probes, those for names of the app last. */
export function allProbes ({ names, allowUnsafe }: Wanted): readonly Probe[] {
  return [
    ...unkeyedHeaders, ...identity, ...urls, ...methods, ...conditions, ...responses,
    ...allowUnsafe ? unsafeMethods : [],
    ...namedHeaders(names.headers ?? []), ...namedCookies(names.cookies ?? []), ...namedParameters(names.query ?? [])
  ]
}
