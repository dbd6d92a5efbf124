import { post } from '../api.js'
import { fill, h } from '../dom.js'
import { seconds } from '../format.js'
import { docs, empty, facts, failure, field, panel } from '../parts.js'
import { docsOf, OUTCOMES, sentenceOf } from '../words.js'

/** @typedef {import('../../../client/explanation.ts').Explanation} Explanation */

const METHODS = ['GET', 'HEAD', 'POST', 'QUERY', 'PUT', 'PATCH', 'DELETE']

/**
 * @returns {import('../main.js').View}
 */
export function explain () {
  const first = requestFields('First request')
  const second = requestFields('Second request')
  const compare = h('details', {}, h('summary', {}, 'Compare with a second request'), second.element)
  const answer = h('div', { 'aria-live': 'polite' })
  let turn = 0

  async function ask () {
    const mine = ++turn
    fill(answer, empty('Looking…'))
    try {
      const asked = { first: first.read(), ...compare.open && second.isGiven() ? { second: second.read() } : {} }
      const explanation = await post('explain', asked)
      if (mine === turn) fill(answer, explained(explanation))
    } catch (error) {
      if (mine === turn) fill(answer, failure(error))
    }
  }

  const form = h('form', { class: 'stack', onsubmit: (event) => { event.preventDefault(); ask() } },
    first.element, compare, h('div', { class: 'after' }, h('button', { type: 'submit', class: 'main' }, 'Explain')))
  return {
    element: h('div', { class: 'view narrow' },
      panel('Explain a request', {}, h('p', { class: 'muted' }, 'What the cache does with it, under which key, and what is stored there. No handler runs.'), form), answer)
  }
}

/** @param {string} name */
function requestFields (name) {
  const method = h('select', {}, ...METHODS.map((value) => h('option', { value }, value)))
  const url = h('input', { type: 'text', placeholder: '/users/1?sort=name', autocomplete: 'off', spellcheck: 'false', autocapitalize: 'off' })
  const headers = h('textarea', { rows: 2, placeholder: 'accept-language: de', spellcheck: 'false', autocomplete: 'off' })
  const body = h('textarea', { rows: 2, spellcheck: 'false', autocomplete: 'off' })
  const element = h('fieldset', {}, h('legend', { class: 'unseen' }, name),
    h('div', { class: 'bar fields' }, field('Method', method), field('URL', url, { class: 'grow' })),
    field('Header fields, one a line', headers),
    field('Body, as JSON', body, { hint: 'Only for routes whose key covers it.' }))
  return {
    element,
    isGiven: () => url.value.trim() !== '',
    read: () => ({ method: method.value, url: url.value.trim() || '/', headers: headersOf(headers.value), ...body.value.trim() === '' ? {} : { body: bodyOf(body.value) } })
  }
}

/** @param {string} lines */
export function headersOf (lines) {
  const fields = lines.split('\n').filter((line) => line.trim() !== '').map((line) => {
    const at = line.indexOf(':')
    if (at < 1) throw new Error(`“${line}” is no header field: expected name: value.`)
    return [line.slice(0, at).trim().toLowerCase(), line.slice(at + 1).trim()]
  })
  return Object.fromEntries(fields)
}

/** @param {string} text */
function bodyOf (text) {
  try {
    return JSON.parse(text)
  } catch {
    throw new Error('The body is not JSON.')
  }
}

/** @param {Explanation} explanation */
function explained (explanation) {
  const { differences, entry, keyParts = [], notStored, reason, status } = explanation
  const outcome = OUTCOMES[explanation.outcome] ?? explanation.outcome
  return h('div', { class: 'view' },
    panel(outcome, { note: h('span', { class: `tag ${explanation.isCached ? 'fresh' : ''}` }, explanation.isCached ? 'cached' : 'not cached') },
      reason !== undefined && h('p', {}, h('b', {}, reason), ' ', sentence(explanation.outcome, reason), ' ', explanation.docs !== undefined && docs(explanation.docs)),
      notStored !== undefined && h('p', {}, 'The last response was not stored: ', h('b', {}, notStored), ' ', sentenceOf('notStored', notStored), ' ', docs(docsOf('notStored', notStored))),
      facts([
        ['Request', `${explanation.method} ${explanation.url}`],
        ['Status', status],
        ['Route', explanation.route],
        ['Namespace', explanation.namespace],
        ['Key', explanation.key],
        ['Entry', entry === undefined ? explanation.key === undefined ? undefined : 'none' : `${entry.state}, stored ${seconds(entry.age)} ago, goes in ${seconds(entry.ttl)}`],
        ['Tags', entry === undefined || entry.tags.length === 0 ? undefined : entry.tags.join(', ')]
      ])),
    differences !== undefined && panel('Differences', {}, differences.length === 0
      ? empty('None: both requests have the same key, and share what is stored.')
      : pairsTable('Differences', ['Part', 'First request', 'Second request'], differences.map(({ part, first, second }) => [part, first, second]))),
    keyParts.length > 0 && panel('What the key is made of', {}, pairsTable('What the key is made of', ['Part', 'Value'], keyParts.map(({ part, value }) => [part, value]))))
}

/**
 * @param {string} outcome
 * @param {string} reason
 */
function sentence (outcome, reason) {
  const kind = outcome === 'bypass' ? 'bypass' : outcome === 'stale' ? 'stale' : 'miss'
  return sentenceOf(kind, reason) || sentenceOf('refused', reason)
}

/**
 * @param {string} caption
 * @param {readonly string[]} names
 * @param {ReadonlyArray<readonly (string | undefined)[]>} rows
 */
function pairsTable (caption, names, rows) {
  return h('div', { class: 'scroll', tabindex: 0, role: 'region', 'aria-label': caption }, h('table', { class: 'fields-table' },
    h('caption', { class: 'unseen' }, caption),
    h('thead', {}, h('tr', {}, ...names.map((name) => h('th', { scope: 'col' }, name)))),
    h('tbody', {}, ...rows.map(([name, ...values]) => h('tr', {}, h('th', { scope: 'row' }, name), ...values.map((value) => h('td', {}, value ?? h('span', { class: 'muted' }, 'absent'))))))))
}
