import type { Site } from '../safety/helpers.ts'

/** The fields that were reported, in order. Whatever else was logged is among them. */
export function fields (warnings: Site['warnings']): unknown[] {
  return warnings.map(({ details, message }) => {
    const { field, reason } = (details.cache ?? {}) as Record<string, unknown>
    return reason === 'unkeyed-input' ? field : message
  })
}
