import { get, post } from '../api.js'
import { fill, h } from '../dom.js'
import { bytes, latency, moment, seconds } from '../format.js'
import { empty, facts, failure } from '../parts.js'

const PREVIEW_BYTES = 16_384

/** @typedef {Omit<import('../../../inspect/summaries.ts').EntryDetails, 'body'> & { preview?: { encoding: 'utf8' | 'base64', text: string, bytes: number }, isBodyWithheld?: boolean }} Shown */

/**
 * A dialog that shows one entry.
 * @param {{ onchange: () => void }} options Called when the entry was invalidated.
 */
export function entryDialog ({ onchange }) {
  const content = h('div')
  /** The entry that is shown. */
  let opened = ''
  const element = h('dialog', { class: 'entry', 'aria-label': 'Entry' }, h('form', { method: 'dialog', class: 'close' }, h('button', { type: 'submit' }, 'Close')), content)
  // A form of a dialog sends nothing, but is refused by the policy of this page.
  element.querySelector('form')?.addEventListener('submit', (event) => { event.preventDefault(); element.close() })

  /** @param {string} key */
  async function open (key) {
    opened = key
    fill(content, empty('Loading…'))
    if (!element.open) element.showModal()
    await load(key, { body: PREVIEW_BYTES })
  }

  /**
   * @param {string} key
   * @param {{ body: number, perUser?: boolean }} options
   */
  async function load (key, options) {
    try {
      const entry = await get('entry', { key, ...options })
      if (key === opened) fill(content, details(entry, { onbody: () => { load(key, { ...options, perUser: true }) }, oninvalidate: invalidate }))
    } catch (error) {
      if (key === opened) fill(content, h('h2', { class: 'entry-key' }, key), failure(error))
    }
  }

  /**
   * @param {string} key
   * @param {HTMLElement} place
   */
  async function invalidate (key, place) {
    try {
      await post('invalidate', { keys: [key] })
      fill(place, h('p', { class: 'done', role: 'status' }, 'Invalidated. The next request runs the handler.'))
      onchange()
    } catch (error) {
      fill(place, failure(error))
    }
  }

  return { element, open }
}

/**
 * @param {Shown} entry
 * @param {{ onbody: () => void, oninvalidate: (key: string, place: HTMLElement) => unknown }} options
 */
function details (entry, { onbody, oninvalidate }) {
  const { key } = entry
  const place = h('div', { class: 'after' })
  const first = h('button', {
    type: 'button',
    onclick: () => {
      const sure = h('button', { type: 'button', class: 'danger', onclick: () => { oninvalidate(key, place) } }, 'Yes, invalidate it')
      fill(place, h('span', {}, 'Invalidate this entry?'), sure)
      sure.focus()
    }
  }, 'Invalidate…')
  fill(place, first)
  return h('div', {},
    h('h2', { class: 'entry-key' }, key),
    h('p', {}, h('span', { class: `tag ${entry.state}` }, entry.state), ' ', entry.isPerUser && h('span', { class: 'tag' }, 'for one user')),
    facts([
      ['Kind', entry.status === undefined ? entry.kind : `${entry.kind}, status ${entry.status}`],
      ['Namespace', entry.namespace],
      ['User', entry.user],
      ['Stored', moment(entry.storedAt)],
      ['Age', seconds(entry.age)],
      ['Fresh', entry.freshFor === undefined ? undefined : entry.freshFor < 0 ? `until ${seconds(entry.freshFor)}` : `for ${seconds(entry.freshFor)}`],
      ['Goes in', entry.ttl === undefined ? undefined : seconds(entry.ttl)],
      ['Invalidated by', entry.invalidatedBy],
      ['Handler took', entry.costMs === undefined ? undefined : latency(entry.costMs)],
      ['Body', `${bytes(entry.bytes)}${entry.coding === undefined ? '' : `, stored as ${entry.coding}`}`]
    ]),
    h('h3', {}, 'Tags and labels'),
    entry.labels.length === 0 ? empty('None') : h('ul', { class: 'labels' }, ...entry.labels.map(({ kind, value }) => h('li', {}, h('b', {}, kind), ' ', value))),
    ...pairs('Header fields', entry.headers),
    ...pairs('Selected by', entry.vary),
    h('h3', {}, 'Body'),
    body(entry, onbody),
    entry.state !== 'invalidated' && place)
}

/**
 * @param {string} title
 * @param {ReadonlyArray<readonly [string, string | readonly string[] | null]> | undefined} fields
 */
function pairs (title, fields) {
  if (fields === undefined || fields.length === 0) return []
  return [h('h3', {}, title), h('div', { class: 'scroll', tabindex: 0, role: 'region', 'aria-label': title }, h('table', { class: 'fields-table' }, h('tbody', {}, ...fields.map(([name, value]) =>
    h('tr', {}, h('th', { scope: 'row' }, name), h('td', {}, value === null ? h('span', { class: 'muted' }, 'absent') : typeof value === 'string' ? value : value.join(', ')))))))]
}

/**
 * @param {Shown} entry
 * @param {() => void} onbody
 */
function body ({ bytes: size, isBodyWithheld = false, preview }, onbody) {
  if (isBodyWithheld) return h('p', {}, 'This entry is for one user; its body is not shown unless you ask. ', h('button', { type: 'button', onclick: onbody }, 'Show the body'))
  if (preview === undefined || preview.bytes === 0) return empty(size === 0 ? 'It has none.' : 'It cannot be shown.')
  const rest = size > preview.bytes ? h('p', { class: 'muted' }, `The first ${bytes(preview.bytes)}${preview.encoding === 'base64' ? ', in base64' : ''}.`) : preview.encoding === 'base64' && h('p', { class: 'muted' }, 'In base64.')
  return h('div', {}, h('pre', { tabindex: 0, 'aria-label': 'Body' }, preview.text), rest)
}
