import { isSecretField } from '../http/request-fields.ts'
import type { RoutePolicy } from '../options/policy.ts'
import { ALL, type Input } from './inputs.ts'

type Options = Pick<RoutePolicy, 'headers' | 'cookies' | 'userOf'>

/** The input in words: `the header field x-tenant`. */
export function inWords (input: Input): string {
  switch (input.kind) {
    case 'header': return input.name === ALL ? 'all header fields' : `the header field ${input.name}`
    case 'cookie': return input.name === ALL ? 'all cookies' : `the cookie ${input.name}`
    case 'query': return input.name === ALL ? 'all parameters of the query' : `the query parameter ${input.name}`
    case 'params': return input.name === ALL ? 'all parameters of the path' : `the path parameter ${input.name}`
    case 'user': return input.name === '' ? 'request.user' : input.name === ALL ? 'all of request.user' : `request.user.${input.name}`
    case 'body': return 'the body'
    case 'url': return 'the URL'
    case 'ip': return 'the address of the client'
    case 'session': return 'request.session'
    case 'socket': return 'what the connection says of the client'
    case 'copy': return `request.${input.name}, which holds ${inWords(input.of[0])}`
  }
}

/** What to write so that the input selects the response. */
export function advice (input: Input, options: Options): string {
  switch (input.kind) {
    case 'header': return headerAdvice(input.name, options)
    case 'cookie': return input.name === ALL
      ? 'read single cookies, and name those in varyByCookies'
      : `write varyByCookies: ${list(options.cookies, input.name)}`
    case 'query':
    case 'params':
    case 'body':
    case 'url': return 'make it a part of what the route\'s "key" returns'
    case 'user': return userAdvice(options)
    case 'session': return 'write varyByUser: (request) => …, which returns the user of the session, or shared: true if the response is the same for everyone'
    case 'ip':
    case 'socket': return 'read it in a hook if the response does not depend on it; else make it a part of what the route\'s "key" returns, or do not cache the route'
    case 'copy': return advice(input.of[0], options)
  }
}

function headerAdvice (name: string, options: Options): string {
  if (name === ALL) return 'read single fields, and name those in varyByHeaders or in the response\'s Vary; where an origin answers, ttl: \'http\' leaves it to the Vary of the origin'
  if (name === 'cookie') return 'read single cookies, and name those in varyByCookies'
  if (isSecretField(name)) return `${userAdvice(options)}, or varyByHeaders: ${list(options.headers, name)}`
  return `write varyByHeaders: ${list(options.headers, name)}, or send Vary: ${name}`
}

function userAdvice ({ userOf }: Options): string {
  return userOf === false
    ? 'write varyByUser: true, or shared: true if the response is the same for everyone'
    : 'let varyByUser return what identifies the user'
}

function list (present: readonly string[], name: string): string {
  return `[${[...present, name].map((one) => `'${one}'`).join(', ')}]`
}
