import type { FastifyRequest } from 'fastify'
import { parseCookies } from '../http/cookies.ts'
import { ALL, inputName, type Input, type Reads } from './inputs.ts'

type NamedKind = 'header' | 'cookie' | 'query' | 'params' | 'user'

/** Members of every request. What else it has of its own, hooks have set. */
const OF_FASTIFY = new Set(['id', 'params', 'raw', 'query', 'log', 'body', 'cookies', 'user', 'session'])

/** Shorter texts, such as `1`, equal header fields by chance. */
const SHORTEST_COPY = 3

/** Names that the language asks for: for JSON, and when a promise is resolved. */
const ASKED_BY_LANGUAGE = new Set(['toJSON', 'then'])

/** Members of a socket that tell who is at the other end. */
const OF_CLIENT: ReadonlyMap<string, 'ip' | 'socket'> = new Map([
  ['remoteAddress', 'ip'], ['remotePort', 'socket'], ['remoteFamily', 'socket'], ['getPeerCertificate', 'socket'], ['getPeerX509Certificate', 'socket'],
  ['authorized', 'socket'], ['authorizationError', 'socket']
])

/**
 * A request that notes what is read of it. It stays the same object: for as long as it records, its members and those of its raw
 * request are accessors, so that what finds it by identity, by `reply.request` or as `this` notices nothing. What the members
 * give are views that go on recording, also in a stream that is read later.
 */
export class RecordedRequest {
  readonly #request: FastifyRequest
  /** Whether `request.url`, `query`, `params` and `body` are recorded, which nobody needs where the key has all of them. */
  readonly #recordsUrl: boolean
  readonly #shadows = new Set<() => void>()
  readonly #views = new WeakMap<object, object>()
  #reads: Reads = new Map()
  #quiet = 0

  constructor (request: FastifyRequest, { recordsUrl }: { recordsUrl: boolean }) {
    this.#request = request
    this.#recordsUrl = recordsUrl
  }

  get reads (): Reads {
    return this.#reads
  }

  start (): void {
    const request = this.#request
    const { raw } = request
    if (this.#shadows.size > 0) return
    for (const name of ['ip', 'ips']) this.#shadow(request, name, (value) => this.#noting({ kind: 'ip' }, value))
    // The key has them, whatever they are made of.
    for (const name of ['host', 'hostname', 'port', 'protocol', 'routeOptions']) this.#shadow(request, name, (value) => value)
    this.#shadow(request, 'log', (value) => this.#members(value, () => {}, { isQuiet: true }))
    this.#shadow(request, 'cookies', (value) => this.#named('cookie', value))
    this.#shadow(request, 'user', (value) => this.#user(value))
    this.#shadow(request, 'session', (value) => this.#noting({ kind: 'session' }, value))
    this.#shadow(request, 'headers', (value) => this.#named('header', value))
    for (const name of ['headers', 'headersDistinct']) this.#shadow(raw, name, (value) => this.#named('header', value))
    this.#shadow(raw, 'rawHeaders', (value) => this.#noting({ kind: 'header', name: ALL }, value))
    this.#shadow(raw, 'socket', (value) => this.#members(value, (name) => this.#noteSocket(name), { isQuiet: false }))
    this.#shadowCopies(request)
    if (this.#recordsUrl) this.#shadowUrl(request)
  }

  /** The request is as it was. */
  stop (): void {
    for (const restore of this.#shadows) restore()
    this.#shadows.clear()
  }

  /** What a function of the options reads, apart from the rest. What it throws, it has thrown before. */
  readsOf (read: () => unknown): Reads {
    const others = this.#reads
    this.#reads = new Map()
    this.start()
    try {
      read()
      return this.#reads
    } catch {
      return this.#reads // up to there
    } finally {
      this.stop()
      this.#reads = others
    }
  }

  #note (input: Input): void {
    if (this.#quiet === 0) this.#reads.set(inputName(input), input)
  }

  #noting (input: Input, value: unknown): unknown {
    this.#note(input)
    return value
  }

  #noteSocket (name: string): void {
    const kind = OF_CLIENT.get(name)
    if (kind !== undefined) this.#note({ kind })
  }

  #quietly <T> (run: () => T): T {
    this.#quiet++
    try {
      return run()
    } finally {
      this.#quiet--
    }
  }

  /** Until it is restored or set, the member gives what `view` makes of its value. Without such a member, nothing is there to read. */
  #shadow (target: object, name: string, view: (value: unknown) => unknown): void {
    const own = Object.getOwnPropertyDescriptor(target, name)
    if (!(name in target) || own?.configurable === false) return
    const inherited: object | null = Object.getPrototypeOf(target)
    const value = (): unknown => own === undefined
      ? Reflect.get(inherited ?? {}, name, target)
      : own.get === undefined ? own.value : own.get.call(target)
    const restore = (): void => {
      if (own === undefined) Reflect.deleteProperty(target, name)
      else Object.defineProperty(target, name, own)
    }
    this.#shadows.add(restore)
    Object.defineProperty(target, name, {
      configurable: true,
      enumerable: own?.enumerable ?? false,
      get: () => {
        const present = this.#quietly(value)
        return this.#quiet === 0 ? view(present) : present
      },
      set: (given: unknown) => {
        this.#shadows.delete(restore)
        restore()
        Reflect.set(target, name, given)
      }
    })
  }

  #shadowUrl (request: FastifyRequest): void {
    this.#shadow(request, 'query', (value) => this.#named('query', value))
    this.#shadow(request, 'params', (value) => this.#named('params', value))
    this.#shadow(request, 'body', (value) => this.#noting({ kind: 'body' }, value))
    this.#shadow(request, 'originalUrl', (value) => this.#noting({ kind: 'url' }, value))
    for (const name of ['url', 'originalUrl']) this.#shadow(request.raw, name, (value) => this.#noting({ kind: 'url' }, value))
  }

  /** What hooks have put on the request, where its value shows what it was taken from. */
  #shadowCopies (request: FastifyRequest): void {
    for (const name of Object.keys(request).filter((name) => !OF_FASTIFY.has(name))) {
      const value: unknown = this.#quietly(() => Reflect.get(request, name))
      if (typeof value !== 'string' || value.length < SHORTEST_COPY || value === request.id) continue
      const [first, ...others] = this.#quietly(() => sourcesOf(value, request))
      if (first !== undefined) this.#shadow(request, name, (copied) => this.#noting({ kind: 'copy', name, of: [first, ...others] }, copied))
    }
  }

  #user (value: unknown): unknown {
    if (typeof value === 'object' && value !== null) return this.#members(value, (name) => { this.#note({ kind: 'user', name }) }, { isQuiet: false })
    return this.#noting({ kind: 'user', name: '' }, value)
  }

  /** Values by name, such as header fields. */
  #named (kind: NamedKind, value: unknown): unknown {
    if (typeof value !== 'object' || value === null) return value
    return this.#view(value, {
      get: (target, name) => {
        if (isRead(kind, name, target)) this.#note({ kind, name })
        return Reflect.get(target, name)
      },
      has: (target, name) => {
        if (isRead(kind, name, target)) this.#note({ kind, name })
        return Reflect.has(target, name)
      },
      ownKeys: (target) => {
        this.#note({ kind, name: ALL })
        return Reflect.ownKeys(target)
      }
    })
  }

  /** An object with methods, which get the object itself as `this`: it may have private fields. */
  #members (value: unknown, onRead: (name: string) => void, { isQuiet }: { isQuiet: boolean }): unknown {
    if (typeof value !== 'object' || value === null) return value
    return this.#view(value, {
      get: (target, name) => {
        const member: unknown = Reflect.get(target, name, target)
        if (typeof name === 'string' && !ASKED_BY_LANGUAGE.has(name) && !(name in Object.prototype)) onRead(name)
        if (typeof member !== 'function' || isFixed(target, name) || name === 'constructor') return member
        return (...args: unknown[]): unknown => isQuiet
          ? this.#quietly((): unknown => Reflect.apply(member, target, args))
          : Reflect.apply(member, target, args)
      },
      set: (target, name, given) => Reflect.set(target, name, given, target),
      ownKeys: (target) => {
        onRead(ALL)
        return Reflect.ownKeys(target)
      }
    })
  }

  /** The same view each time, so that `request.headers === request.headers`. */
  #view (value: object, handler: ProxyHandler<object>): object {
    const known = this.#views.get(value)
    if (known !== undefined) return known
    const view = new Proxy(value, handler)
    this.#views.set(value, view)
    return view
  }
}

/** Field names are in lower case: by another name nothing is there, whatever was sent. */
function isRead (kind: NamedKind, name: string | symbol, target: object): name is string {
  if (typeof name !== 'string') return false
  if (Object.hasOwn(target, name)) return true
  return !ASKED_BY_LANGUAGE.has(name) && !(name in Object.prototype) && (kind !== 'header' || name === name.toLowerCase())
}

/** A proxy may not give anything else in place of what cannot be changed. */
function isFixed (target: object, name: string | symbol): boolean {
  const own = Object.getOwnPropertyDescriptor(target, name)
  return own?.configurable === false && own.writable === false
}

/** Of which inputs a text may be a copy. */
function sourcesOf (text: string, request: FastifyRequest): Input[] {
  const { headers, ip } = request
  const fields = Object.keys(headers).filter((name) => headers[name] === text).map((name): Input => ({ kind: 'header', name }))
  const cookies = parseCookies(headers.cookie ?? '').filter((cookie) => cookie[1] === text).map(([name]): Input => ({ kind: 'cookie', name }))
  return [...fields, ...cookies, ...ip === text ? [{ kind: 'ip' as const }] : []]
}
