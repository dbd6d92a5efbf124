import { fill, h, write } from './dom.js'

/**
 * @template Row
 * @typedef {object} Column
 * @property {string} name
 * @property {(row: Row) => string} text
 * @property {(row: Row) => number | string | undefined} [order] What it is sorted by. Without it, it is not.
 * @property {boolean} [isNumber]
 * @property {(row: Row) => Node} [node] In place of the text.
 * @property {string} [class]
 */

/**
 * A table that can be sorted by its headings. Its rows are kept when it is shown again, so that what has the focus keeps it.
 * @template Row
 * @param {object} options
 * @param {string} options.caption
 * @param {ReadonlyArray<Column<Row>>} options.columns
 * @param {(row: Row) => string} options.keyOf
 * @param {number} [options.sortedBy] A column.
 * @param {boolean} [options.isDescending]
 * @param {(row: Row) => void} [options.onopen] The first column is a button then.
 */
export function table ({ caption, columns, keyOf, sortedBy, isDescending = false, onopen }) {
  /** @type {Map<string, { row: Row, element: HTMLTableRowElement, cells: HTMLElement[] }>} */
  let shown = new Map()
  /** @type {readonly Row[]} */
  let rows = []
  let by = sortedBy
  let descends = isDescending
  const body = h('tbody')
  const heads = columns.map((column, at) => h('th', { scope: 'col', class: classOf(column) },
    column.order === undefined ? column.name : h('button', { type: 'button', onclick: () => { sort(at) } }, column.name)))
  const element = h('div', { class: 'scroll', tabindex: 0, role: 'region', 'aria-label': caption },
    h('table', {}, h('caption', { class: 'unseen' }, caption), h('thead', {}, h('tr', {}, ...heads)), body))

  /** @param {number} at */
  function sort (at) {
    descends = by === at ? !descends : columns[at]?.isNumber === true
    by = at
    show(rows)
  }

  /** @param {readonly Row[]} given */
  function show (given) {
    rows = given
    heads.forEach((head, at) => { head.setAttribute('aria-sort', at !== by ? 'none' : descends ? 'descending' : 'ascending') })
    const before = shown
    shown = new Map(ordered(given, by === undefined ? undefined : columns[by]?.order, descends).map((row) => {
      const key = keyOf(row)
      const one = before.get(key) ?? made(row, key)
      one.row = row
      columns.forEach((column, at) => {
        const cell = /** @type {HTMLElement} */ (one.cells[at])
        if (column.node === undefined) write(cell, column.text(row))
        else fill(cell, column.node(row))
      })
      return /** @type {const} */ ([key, one])
    }))
    const elements = [...shown.values()].map((one) => one.element)
    if (elements.length !== body.children.length || elements.some((one, at) => body.children[at] !== one)) placed(elements)
  }

  /**
   * Moving an element takes the focus from it.
   * @param {readonly HTMLElement[]} elements
   */
  function placed (elements) {
    const focused = document.activeElement
    body.replaceChildren(...elements)
    if (focused instanceof window.HTMLElement && body.contains(focused)) focused.focus()
  }

  /**
   * @param {Row} row
   * @param {string} key
   */
  function made (row, key) {
    const cells = columns.map((column, at) => at === 0 && onopen !== undefined
      ? h('button', { type: 'button', class: 'open', onclick: () => { onopen(/** @type {Row} */ (shown.get(key)?.row ?? row)) } })
      : h('span'))
    const element = h('tr', {}, ...columns.map((column, at) => at === 0
      ? h('th', { scope: 'row', class: classOf(column) }, cells[at])
      : h('td', { class: classOf(column), 'data-name': column.name }, cells[at])))
    return { row, element, cells }
  }

  return { element, show }
}

/** @param {{ isNumber?: boolean, class?: string }} column */
function classOf ({ isNumber = false, class: name = '' }) {
  return [isNumber ? 'number' : '', name].join(' ').trim()
}

/**
 * What has no value comes last, whatever the direction.
 * @template Row
 * @param {readonly Row[]} rows
 * @param {((row: Row) => number | string | undefined) | undefined} orderOf
 * @param {boolean} isDescending
 */
export function ordered (rows, orderOf, isDescending) {
  if (orderOf === undefined) return [...rows]
  const sign = isDescending ? -1 : 1
  return [...rows].sort((one, other) => {
    const [a, b] = [orderOf(one), orderOf(other)]
    if (a === undefined || b === undefined) return a === b ? 0 : a === undefined ? 1 : -1
    return a < b ? -sign : a > b ? sign : 0
  })
}
