import type { BodyPreview } from '../../admin/body-preview.ts'
import type { InvalidationPreview } from '../../admin/invalidation-preview.ts'
import type { Explanation, ExplainedRequest } from '../../client/explanation.ts'
import type { EntriesOptions } from '../../client/inspection.ts'
import type { Contents } from '../../inspect/contents.ts'
import type { EntryDetails, EntrySummary } from '../../inspect/summaries.ts'
import type { InvalidationTargets } from '../../marks/targets.ts'
import type { FleetStats, FleetTime } from '../../stats/fleet-stats.ts'
import type { Outcome } from '../../warming/warming.ts'
import type { LiveEvent } from './live-event.ts'

/** What `keys` shows. Whose an entry is, and what else it is found by, `inspect` tells. */
export type Listed = Omit<EntrySummary, 'labels'>

export interface ListedPage {
  readonly entries: readonly Listed[]
  /** For the next call. Without it that was all. */
  readonly cursor?: string
}

/** What `inspect` shows. */
export interface Inspected extends Omit<EntryDetails, 'body'> {
  readonly preview?: BodyPreview
  /** The body is one user's, and was not asked for. */
  readonly isBodyWithheld?: boolean
}

export interface InspectedOptions {
  /** Bytes of the body at most. */
  readonly body: number
  /** Also of an entry that is for one user. */
  readonly isPerUserShown: boolean
}

/** Targets of an invalidation, or everything. */
export type Invalidating = InvalidationTargets & { readonly all?: boolean }

/** A cache that is looked at from outside of its app: through its Redis, or through its admin routes. */
export interface Source extends AsyncDisposable {
  /** For people. No passwords. */
  readonly name: string
  fleet (last: FleetTime): Promise<FleetStats>
  sample (): Promise<Contents>
  entries (options: EntriesOptions): Promise<ListedPage>
  inspect (key: string, options: InspectedOptions): Promise<Inspected | undefined>
  preview (targets: Invalidating): Promise<InvalidationPreview>
  invalidate (targets: Invalidating, options: { readonly soft: boolean }): Promise<void>
  /** Whether there is any sign of an app. Whoever mistypes the prefix finds none. */
  isInUse (): Promise<boolean>
  /** What happens from now on, until the signal. Says on its way what it cannot hear. */
  live (options: { readonly signal: AbortSignal, readonly everyMs: number, readonly onNote: (text: string) => void }): AsyncIterable<LiveEvent>
}

/** What only the app itself knows and can do. */
export interface AppSource {
  explain (first: ExplainedRequest, second: ExplainedRequest | undefined): Promise<Explanation>
  /** A path of the app. Rejects for what is no fault of this path. */
  warm (url: string, headers: Readonly<Record<string, string>>): Promise<Outcome>
}
