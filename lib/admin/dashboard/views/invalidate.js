import { get, post } from '../api.js'
import { fill, h } from '../dom.js'
import { clock, count } from '../format.js'
import { empty, failure, field, invalidations, panel } from '../parts.js'
import { poll } from '../poll.js'

/** What can be named, with an example of each. */
const KINDS = /** @type {const} */ ([
  ['tags', 'Tag', 'user:1', 'What carries one of these tags.'],
  ['namespaces', 'Namespace', 'user', 'Everything in these namespaces.'],
  ['patterns', 'Pattern', 'user:GET:/users/*', 'Keys that match: * is any run of characters, ? is one.'],
  ['urls', 'URL', '/users/1', 'Responses to these URLs: without a query, whatever their query was.'],
  ['keys', 'Key', 'user:GET:/users/1:…', 'These entries.'],
  ['users', 'User', '42', 'What is stored for these users.'],
  ['all', 'Everything', '', 'Everything under the prefix of this cache.']
])
const EVENTS_MS = 5000

/**
 * @param {import('../main.js').Context} context
 * @returns {import('../main.js').View}
 */
export function invalidate ({ signal }) {
  const names = h('textarea', { rows: 3, spellcheck: 'false', autocomplete: 'off' })
  const hint = h('span', { class: 'hint' })
  const kind = h('select', {}, ...KINDS.map(([value, name]) => h('option', { value }, name)))
  const soft = h('input', { type: 'checkbox' })
  const named = h('label', { class: 'field grow' }, h('span', { class: 'label' }, 'Names, one a line'), names, hint)
  const outcome = h('div', { class: 'outcome', role: 'status' })
  const recent = h('div')
  /** Of what is named: the answer to what was named before is shown no more. */
  let turn = 0

  /** Every change of what is named takes back what was shown of it. */
  function changed () {
    turn++
    const [, , example, text] = KINDS.find(([value]) => value === kind.value) ?? KINDS[0]
    names.placeholder = example
    names.disabled = kind.value === 'all'
    hint.textContent = text
    fill(outcome)
  }

  async function preview () {
    const lines = names.value.split('\n').map((line) => line.trim()).filter((line) => line !== '')
    if (kind.value !== 'all' && lines.length === 0) {
      names.focus()
      return fill(outcome, failure('Write what is to be invalidated, one name a line.'))
    }
    const asked = kind.value === 'all' ? { all: true } : { [kind.value]: lines }
    fill(outcome, empty('Looking…'))
    const isSoft = soft.checked
    const mine = ++turn
    try {
      const answer = await post('invalidate', { ...asked, soft: isSoft, preview: true })
      if (mine === turn) fill(outcome, shown(answer.preview, { isSoft, onsure: () => { run(asked, isSoft) } }))
    } catch (error) {
      if (mine === turn) fill(outcome, failure(error))
    }
  }

  /**
   * @param {object} asked
   * @param {boolean} isSoft
   */
  async function run (asked, isSoft) {
    fill(outcome, empty('Invalidating…'))
    try {
      await post('invalidate', { ...asked, soft: isSoft })
      fill(outcome, h('p', { class: 'done' }, isSoft ? 'Done. What was stored is stale now.' : 'Done. Nothing that was stored before is served any more.'))
    } catch (error) {
      fill(outcome, failure(error))
    }
    events.now()
  }

  const events = poll(async () => {
    try {
      const answer = await get('events')
      fill(recent, invalidations(answer.events, clock))
      return true
    } catch (error) {
      fill(recent, failure(error))
      return false
    }
  }, { everyMs: EVENTS_MS })
  signal.addEventListener('abort', () => { events.stop() })

  const form = h('form', { class: 'stack', oninput: changed, onsubmit: (event) => { event.preventDefault(); preview() } },
    h('div', { class: 'bar fields top-aligned' }, field('By', kind), named),
    h('label', { class: 'check' }, soft, h('span', {}, 'Soft: stale in place of gone, where a route may serve stale responses')),
    h('div', { class: 'after' }, h('button', { type: 'submit', class: 'main' }, 'Preview')),
    outcome)
  changed()
  return {
    element: h('div', { class: 'view narrow' }, panel('Invalidate', {}, form),
      panel('Recent invalidations', { note: h('span', { class: 'muted' }, 'by this process') }, recent))
  }
}

/**
 * @param {{ entries: number, keys: string[], scanned: number, isComplete: boolean }} preview
 * @param {{ isSoft: boolean, onsure: () => void }} options
 */
function shown ({ entries, keys, scanned, isComplete }, { isSoft, onsure }) {
  const found = `${count(entries)} ${entries === 1 ? 'entry' : 'entries'}`
  return h('div', { class: 'preview' },
    h('p', {}, h('b', {}, isComplete ? found : `At least ${found}`), isComplete ? ` of ${count(scanned)} would be hit.` : ` would be hit; ${count(scanned)} were looked at, there are more.`),
    keys.length > 0 && h('ul', { class: 'keys' }, ...keys.map((key) => h('li', {}, key)), entries > keys.length && h('li', { class: 'muted' }, 'and more')),
    h('p', { class: 'muted' }, 'What is being made at this moment is invalidated as well.'),
    h('div', { class: 'after' }, h('button', { type: 'button', class: 'danger', onclick: onsure }, `${isSoft ? 'Make stale' : 'Invalidate'}${isComplete ? ` ${found}` : ''}`)))
}
