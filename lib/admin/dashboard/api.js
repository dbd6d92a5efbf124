/* The JSON routes beside this page. */

const ROOT = new URL('..', import.meta.url)
const ANSWER_MS = 20_000
const SIGNED_OUT = 'You are not signed in, or not any more (401). Reload this page to sign in.'

/** What the server, or the way to it, has to say against a request. */
export class ApiError extends Error {
  /**
   * @param {string} message
   * @param {{ status?: number, code?: string }} [details] Without a status nobody has answered.
   */
  constructor (message, { status, code } = {}) {
    super(message)
    this.status = status
    this.code = code
  }
}

/**
 * @param {string} path
 * @param {Record<string, string | number | boolean | undefined>} [query]
 * @returns {Promise<any>}
 */
export async function get (path, query = {}) {
  const url = new URL(path, ROOT)
  for (const [name, value] of Object.entries(query)) if (value !== undefined && value !== '') url.searchParams.set(name, String(value))
  return await ask(url, { method: 'GET' })
}

/**
 * @param {string} path
 * @param {object} body
 * @returns {Promise<any>}
 */
export async function post (path, body) {
  return await ask(new URL(path, ROOT), { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) })
}

/**
 * @param {URL} url
 * @param {RequestInit} init
 */
async function ask (url, init) {
  const response = await fetch(url, { ...init, cache: 'no-store', credentials: 'same-origin', redirect: 'manual', signal: AbortSignal.timeout(ANSWER_MS) })
    .catch(() => { throw new ApiError('The server does not answer.') })
  // Where the guard leads to a page for signing in.
  if (response.type === 'opaqueredirect') throw new ApiError(SIGNED_OUT, { status: 401 })
  const answer = await response.json().catch(() => undefined)
  if (response.ok && answer !== undefined) return answer
  const told = typeof answer?.message === 'string' ? answer.message : `The server answers with status ${response.status}.`
  throw new ApiError(textOf(response.status) ?? told, { status: response.status, code: answer?.code })
}

/** @param {number} status */
function textOf (status) {
  if (status === 401) return SIGNED_OUT
  if (status === 403) return 'You may not see this (403), or your request came from another site.'
  return undefined
}
