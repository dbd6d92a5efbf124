import { AdminRequestError } from '../errors.ts'

/*
 * The app may have replaced the validator and the serializer of Fastify by ones that take no JSON schemas. The routes of this folder
 * work all the same: their schemas are checked here, as far as they use JSON schema.
 */

/** The part of JSON schema that the routes use. */
export interface Schema {
  readonly type?: 'object' | 'array' | 'string' | 'number' | 'integer' | 'boolean'
  readonly description?: string
  readonly properties?: Readonly<Record<string, Schema>>
  readonly required?: readonly string[]
  readonly additionalProperties?: boolean | Schema
  readonly items?: Schema
  readonly enum?: readonly string[]
  readonly minLength?: number
  readonly maxLength?: number
  readonly minimum?: number
  readonly maximum?: number
  readonly maxItems?: number
  readonly maxProperties?: number
}

/** What Fastify wants to hear of a validator. */
export function validate (schema: Schema, value: unknown, part: Part): { value: unknown } | { error: Error } {
  try {
    return { value: validated(schema, value, part) }
  } catch (error) {
    if (error instanceof AdminRequestError) return { error }
    throw error
  }
}

/** Which part of a request this is. Queries are texts: those of numbers and booleans are read. */
interface Part {
  readonly where: string
  readonly isText: boolean
}

/** The value as the schema describes it. Throws `AdminRequestError` otherwise. */
function validated (schema: Schema, value: unknown, { where, isText }: Part): unknown {
  const read = isText ? fromText(schema, value) : value
  const problem = problemOf(schema, read)
  if (problem !== undefined) throw new AdminRequestError(where, `expected ${problem}`)
  if (schema.type === 'array') return (read as unknown[]).map((item, at) => validated(schema.items ?? {}, item, { where: `${where}[${at}]`, isText }))
  if (schema.type !== 'object') return read
  return validatedObject(schema, read as Record<string, unknown>, { where, isText })
}

function validatedObject (schema: Schema, given: Record<string, unknown>, { where, isText }: Part): Record<string, unknown> {
  for (const name of schema.required ?? []) {
    if (given[name] === undefined) throw new AdminRequestError(where, `expected it to have "${name}"`)
  }
  return Object.fromEntries(Object.entries(given).map(([name, value]) => {
    const known = schema.properties !== undefined && Object.hasOwn(schema.properties, name) ? schema.properties[name] : schema.additionalProperties
    if (known === undefined || known === false) throw new AdminRequestError(where, `expected ${Object.keys(schema.properties ?? {}).join(', ') || 'nothing'}, got "${name.slice(0, 60)}"`)
    return [name, known === true ? value : validated(known, value, { where: `${where}.${name}`, isText })]
  }))
}

function fromText (schema: Schema, value: unknown): unknown {
  if (typeof value !== 'string') return value
  if (schema.type === 'integer' || schema.type === 'number') return value.trim() === '' ? value : Number(value)
  if (schema.type === 'boolean') return value === 'true' ? true : value === 'false' ? false : value
  return value
}

/** What was expected instead, or nothing when the value is fine as far as this level is concerned. */
function problemOf (schema: Schema, value: unknown): string | undefined {
  switch (schema.type) {
    case undefined: return undefined
    case 'object': return isObject(value) && Object.keys(value).length <= (schema.maxProperties ?? Infinity) ? undefined : `an object${atMost(schema.maxProperties, 'names')}`
    case 'array': return Array.isArray(value) && value.length <= (schema.maxItems ?? Infinity) ? undefined : `a list${atMost(schema.maxItems, 'items')}`
    case 'boolean': return typeof value === 'boolean' ? undefined : 'true or false'
    case 'string': return stringProblem(schema, value)
    case 'integer': case 'number': return numberProblem(schema, value)
  }
}

function stringProblem (schema: Schema, value: unknown): string | undefined {
  const { minLength = 0, maxLength = Infinity } = schema
  if (schema.enum !== undefined) return schema.enum.includes(value as string) ? undefined : `one of ${schema.enum.join(', ')}`
  return typeof value === 'string' && value.length >= minLength && value.length <= maxLength ? undefined : `a text of ${minLength} to ${maxLength} characters`
}

function numberProblem ({ type, minimum = -Infinity, maximum = Infinity }: Schema, value: unknown): string | undefined {
  const isFine = typeof value === 'number' && Number.isFinite(value) && value >= minimum && value <= maximum && (type === 'number' || Number.isInteger(value))
  return isFine ? undefined : `a${type === 'integer' ? ' whole' : ''} number from ${minimum} to ${maximum}`
}

function atMost (most: number | undefined, of: string): string {
  return most === undefined ? '' : ` of at most ${most} ${of}`
}

function isObject (value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
