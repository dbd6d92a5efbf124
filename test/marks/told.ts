import { sumOf } from '../../lib/store/summed-reply.ts'

/** A message of the channel of marks. */
export function told (json: string): string {
  return `${sumOf([json])} ${json}`
}
