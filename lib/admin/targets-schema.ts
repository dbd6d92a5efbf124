import type { Schema } from './validation.ts'

const names = (description: string): Schema => ({ type: 'array', description, maxItems: 100, items: { type: 'string', minLength: 1, maxLength: 2000 } })

/** What an invalidation names: the targets of `cache.invalidate()`, or everything. */
export const TARGETS: Readonly<Record<string, Schema>> = {
  tags: names('Tags.'),
  namespaces: names('Namespaces.'),
  patterns: names('Globs over keys, such as user:123:*'),
  urls: names('Paths such as /users/1, with every query, or /users/1?sort=name, or whole URLs.'),
  keys: names('Keys as the entries have them.'),
  users: names('Users of routes with varyByUser.'),
  all: { type: 'boolean', description: 'Everything under the prefix.' }
}
