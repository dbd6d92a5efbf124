import { UsageError } from './exit.ts'
import type { Io } from './io.ts'

export interface Credentials {
  readonly username?: string
  readonly password?: string
}

/** User and password of a URL. Errors: `UsageError`, which shows neither. */
export function credentialsOf ({ username, password }: URL, where: string): Credentials {
  try {
    return {
      ...username === '' ? {} : { username: decodeURIComponent(username) },
      ...password === '' ? {} : { password: decodeURIComponent(password) }
    }
  } catch {
    throw new UsageError(`${where}: expected user and password with % written as %25, and other signs as in encodeURIComponent()`)
  }
}

export interface Secretive {
  readonly redis?: string
  readonly admin?: string
  readonly adminHeader?: readonly string[]
}

/** What must never be shown: passwords, and header fields that are sent. Never throws. */
export function secretsOf ({ redis, admin, adminHeader = [] }: Secretive, env: Io['env']): string[] {
  const urls = [redis, admin, env.REDIS_URL, env.CACHE_ADMIN_URL].map((url) => url?.trim() ?? '').filter((url) => URL.canParse(url)).map((url) => new URL(url))
  const fields = [...adminHeader, env.CACHE_ADMIN_HEADER ?? ''].map((field) => field.slice(field.indexOf(':') + 1).trim())
  // Who refuses `Bearer TOKEN` may say which token.
  const tokens = fields.map((value) => value.slice(value.lastIndexOf(' ') + 1))
  return [...urls.flatMap(secretsInUrl), ...fields, ...tokens, env.REDIS_PASSWORD ?? '', env.REDIS_PASSWORD?.trim() ?? ''].filter((secret) => secret !== '')
}

function secretsInUrl (url: URL): string[] {
  const { password } = url
  try {
    const { username: name = '', password: plain = '' } = credentialsOf(url, '')
    return password === '' ? [] : [password, plain, basic(name, plain)]
  } catch {
    return [password] // what is wrong with it is said where it is used
  }
}

/** As `Authorization: Basic` has them. */
export function basic (username: string, password: string): string {
  return Buffer.from(`${username}:${password}`).toString('base64')
}
