/* Pieces that several views are made of. */
import { h } from './dom.js'
import { count } from './format.js'
import { byCount } from './numbers.js'
import { docsOf, sentenceOf } from './words.js'

/**
 * A part of a view with its heading.
 * @param {string} title
 * @param {{ note?: import('./dom.js').Child, class?: string }} options
 * @param {...import('./dom.js').Child} children
 */
export function panel (title, { note, class: name = '' }, ...children) {
  return h('section', { class: `panel ${name}` },
    h('header', { class: 'panel-head' }, h('h2', {}, title), note),
    ...children)
}

/** @param {...import('./dom.js').Child} children */
export function empty (...children) {
  return h('p', { class: 'empty' }, ...children)
}

/** @param {unknown} error */
export function failure (error) {
  return h('p', { class: 'failure', role: 'alert' }, error instanceof Error ? error.message : String(error))
}

/**
 * Where something is explained: a page of the documentation that is in the package’s repository, or a link.
 * @param {string} reference
 */
export function docs (reference) {
  return reference.startsWith('https://')
    ? h('a', { class: 'docs', href: reference, rel: 'noreferrer', target: '_blank' }, 'Documentation')
    : h('code', { class: 'docs' }, reference)
}

/**
 * Words with their counts, each with its sentence.
 * @param {string} title
 * @param {import('./words.js').ReasonKind} kind
 * @param {import('./numbers.js').ByWord} words
 */
export function reasons (title, kind, words) {
  const found = byCount(words)
  return h('div', { class: 'reasons' },
    h('h3', {}, title),
    found.length === 0
      ? h('p', { class: 'muted' }, 'None')
      : h('ul', {}, ...found.map(([word, times]) => h('li', {},
        h('span', { class: 'reason-count' }, count(times)),
        h('span', {}, h('b', {}, word), ' ', h('span', {}, sentenceOf(kind, word)), ' ', docs(docsOf(kind, word)))))))
}

/**
 * Names with what belongs to them; what is undefined is left out.
 * @param {ReadonlyArray<readonly [name: string, value: import('./dom.js').Child]>} pairs
 * @param {'short' | 'long'} [values] Long ones have a line each.
 */
export function facts (pairs, values = 'short') {
  return h('dl', { class: `facts ${values}` }, ...pairs.filter(([, value]) => value !== undefined).map(([name, value]) => h('div', {}, h('dt', {}, name), h('dd', {}, value))))
}

/**
 * A choice of a few, as buttons.
 * @template {string} Value
 * @param {string} label
 * @param {ReadonlyArray<readonly [value: Value, text: string]>} choices
 * @param {{ chosen: Value, onchoose: (value: Value) => void }} options
 */
export function choice (label, choices, { chosen, onchoose }) {
  const buttons = choices.map(([value, text]) => h('button', {
    type: 'button',
    'aria-pressed': String(value === chosen),
    onclick: () => {
      for (const [at, [other]] of choices.entries()) buttons[at]?.setAttribute('aria-pressed', String(other === value))
      onchoose(value)
    }
  }, text))
  return h('div', { class: 'choice', role: 'group', 'aria-label': label }, ...buttons)
}

/**
 * A label with its control.
 * @param {string} label
 * @param {HTMLElement} control
 * @param {{ hint?: string, class?: string }} [options]
 */
export function field (label, control, { hint, class: name = '' } = {}) {
  return h('label', { class: `field ${name}` }, h('span', { class: 'label' }, label), control, hint !== undefined && h('span', { class: 'hint' }, hint))
}

/**
 * Recent invalidations.
 * @param {ReadonlyArray<{ at: number, kinds: Record<string, string[]>, omitted: number, event?: string, soft: boolean, isConfirmed: boolean }>} events
 * @param {(at: number) => string} clock
 */
export function invalidations (events, clock) {
  if (events.length === 0) return empty('This process has invalidated nothing since it was started.')
  return h('ol', { class: 'events' }, ...events.map(({ at, event, kinds, omitted, soft, isConfirmed }) => h('li', {},
    h('time', { datetime: new Date(at).toISOString() }, clock(at)),
    h('span', { class: 'event-what' },
      ...Object.entries(kinds).filter(([kind, names]) => names.length > 0 || kind === 'all').map(([kind, names]) => h('span', {}, h('b', {}, kind), ' ', names.join(', '))),
      omitted > 0 && h('span', { class: 'muted' }, `and ${count(omitted)} more`),
      event !== undefined && h('span', { class: 'muted' }, `by the event ${event}`)),
    h('span', { class: 'event-how' }, soft && h('span', { class: 'tag' }, 'soft'), !isConfirmed && h('span', { class: 'tag bad' }, 'not confirmed yet')))))
}
