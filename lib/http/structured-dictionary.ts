import type { CacheDirectives } from './cache-control.ts'

/*
 * The Dictionary of RFC 8941 section 3.2 as one pattern for a member. Inner Lists cannot hold each other, so that a pattern can say it.
 * The types that RFC 9651 adds are not valid in fields that were defined with RFC 8941, as those of RFC 9213 are.
 */
const KEY = '[a-z*][a-z0-9_.*-]*'
const NUMBER = '-?\\d{1,12}\\.\\d{1,3}|-?\\d{1,15}'
const STRING = '"(?:[ !#-\\[\\]-~]|\\\\["\\\\])*"'
const TOKEN = "[A-Za-z*][!#$%&'*+.^_`|~:/A-Za-z0-9-]*"
const BYTES = ':[A-Za-z0-9+/=]*:'
const BARE_ITEM = `(?:${NUMBER}|${STRING}|${TOKEN}|${BYTES}|\\?[01])`
const PARAMETERS = `(?:; *${KEY}(?:=${BARE_ITEM})?)*`
const ITEM = BARE_ITEM + PARAMETERS
const INNER_LIST = `\\( *(?:${ITEM}(?: +${ITEM})* *)?\\)`
const MEMBER = new RegExp(`(${KEY})(?:=(${BARE_ITEM}|${INNER_LIST}))?${PARAMETERS}[ \\t]*(?:,[ \\t]*|($))`, 'y')

/**
 * The members as directives, or `undefined` when the field is malformed or empty, which RFC 9213 section 2.1 treats alike. The value of a
 * repeated key is the last. Values are as written, with the quotes of a string, so that only an Integer looks like a number; `null` is the
 * Boolean true. What is false was not said. Parameters are left out.
 */
export function parseDictionary (field: string): CacheDirectives | undefined {
  const directives = new Map<string, [string | null]>()
  MEMBER.lastIndex = field.search(/[^ ]|$/)
  for (;;) {
    const match = MEMBER.exec(field)
    if (match === null) return undefined
    const [, key, value = '?1', end] = match
    if (value === '?0') directives.delete(key!)
    else directives.set(key!, [value === '?1' ? null : value])
    if (end !== undefined) return directives
  }
}
