import type { Target } from './target.ts'
import { eventChannel } from './targets/events.ts'
import { admission, value } from './targets/keys.ts'
import { glob, marksChannel, targets as invalidationTargets, urlPatterns } from './targets/marks.ts'
import { duration, environment, ttl } from './targets/options.ts'
import { asked, conditions, cookies, dates, negotiation } from './targets/request-fields.ts'
import { ages, cacheControl, cacheStatus, dictionary, vary } from './targets/response-fields.ts'
import { frame, header } from './targets/stored-entry.ts'

export const targets: readonly Target[] = [
  frame, header, value, admission, cacheControl, dictionary, ages, vary, cacheStatus, asked, negotiation, conditions, dates, cookies, marksChannel, glob, invalidationTargets, urlPatterns,
  duration, ttl, environment, eventChannel
]
