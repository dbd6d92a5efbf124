/* Drawings, made of SVG elements. Their colors are in the style sheet. */
import { fill, h, s, write } from './dom.js'

const HEIGHT = 150
const LEFT = 52
const RIGHT = 8
const TOP = 8
const BOTTOM = 20

/**
 * @typedef {object} Series
 * @property {string} name
 * @property {string} class
 * @property {ReadonlyArray<number | undefined>} values
 *
 * @typedef {object} Scale
 * @property {readonly number[]} ticks
 * @property {(value: number) => number} share From 0 at the bottom to 1 at the top.
 * @property {(value: number) => string} text
 * @property {(value: number) => string} [tick] Beside the axis. Default: as elsewhere.
 *
 * @typedef {object} Drawn
 * @property {readonly string[]} times One for each value.
 * @property {readonly Series[]} series
 * @property {Scale} scale
 * @property {readonly number[]} [marks] Indexes where something has happened.
 * @property {'lines' | 'bars' | 'groups'} as Bars are on top of each other, groups side by side.
 */

/**
 * A chart that is drawn again by `show`. What is under the pointer is told in words beside its name.
 * @param {string} title
 * @param {{ legend?: ReadonlyArray<readonly [name: string, color: string]>, hint?: string }} [options]
 */
export function chart (title, { legend: colors = [], hint = '' } = {}) {
  const told = h('p', { class: 'told' }, hint)
  const place = h('div', { class: 'chart' })
  const element = h('figure', { class: 'panel figure' },
    h('figcaption', { class: 'panel-head' }, h('h2', {}, title),
      legend('', colors)),
    place, told)
  /** @type {Drawn | undefined} */
  let drawn
  let at = -1

  function tell () {
    if (drawn === undefined || at < 0 || at >= drawn.times.length) return write(told, hint)
    const { scale, series, times } = drawn
    const values = series.map(({ name, values }) => [name, values[at]]).filter(([, value]) => value !== undefined)
    write(told, `${times[at]}: ${values.length === 0 ? 'nothing' : values.map(([name, value]) => `${name} ${scale.text(/** @type {number} */ (value))}`).join(', ')}`)
  }

  function draw () {
    const width = place.clientWidth
    if (drawn === undefined || width === 0) return
    fill(place, drawing(title, drawn, width))
    tell()
  }

  /** @param {PointerEvent} event */
  function point (event) {
    if (drawn === undefined) return
    const box = place.getBoundingClientRect()
    const share = (event.clientX - box.left - LEFT) / (box.width - LEFT - RIGHT)
    const step = drawn.as === 'lines' ? Math.round(share * (drawn.times.length - 1)) : Math.floor(share * drawn.times.length)
    at = Math.max(0, Math.min(drawn.times.length - 1, step))
    tell()
  }

  place.addEventListener('pointermove', point)
  place.addEventListener('pointerdown', point)
  place.addEventListener('pointerleave', () => { at = -1; tell() })
  const observer = new window.ResizeObserver(draw)
  observer.observe(place)
  return {
    element,
    /** @param {Drawn} given */
    show (given) {
      drawn = given
      draw()
    },
    stop () { observer.disconnect() }
  }
}

/**
 * What colors mean.
 * @param {string} title
 * @param {ReadonlyArray<readonly [name: string, color: string]>} colors
 */
export function legend (title, colors) {
  return h('ul', { class: 'legend' }, title !== '' && h('li', {}, title), ...colors.map(([name, color]) =>
    h('li', {}, s('svg', { class: 'key', viewBox: '0 0 10 10', 'aria-hidden': 'true' }, s('rect', { class: color, width: 10, height: 10, rx: 2 })), name)))
}

/**
 * @param {string} title
 * @param {Drawn} drawn
 * @param {number} width
 */
function drawing (title, { times, series, scale, marks = [], as }, width) {
  const [w, tall] = [width - LEFT - RIGHT, HEIGHT - TOP - BOTTOM]
  const y = (/** @type {number} */ value) => TOP + tall * (1 - Math.max(0, Math.min(1, scale.share(value))))
  const x = (/** @type {number} */ at) => LEFT + (as !== 'lines' ? w * (at + 0.5) / times.length : times.length < 2 ? w : w * at / (times.length - 1))
  const first = times[0] ?? ''
  const last = times.at(-1) ?? ''
  return s('svg', { viewBox: `0 0 ${width} ${HEIGHT}`, width, height: HEIGHT, role: 'img', 'aria-label': summary(title, series, scale) },
    ...scale.ticks.flatMap((tick) => [
      s('line', { class: 'grid', x1: LEFT, x2: width - RIGHT, y1: y(tick), y2: y(tick) }),
      s('text', { class: 'tick', x: LEFT - 6, y: y(tick) + 3.5, 'text-anchor': 'end' }, (scale.tick ?? scale.text)(tick))
    ]),
    ...marks.map((at) => s('line', { class: 'mark', x1: x(at), x2: x(at), y1: TOP, y2: TOP + tall }, s('title', {}, 'Invalidations'))),
    ...as !== 'lines' ? bars(series, { x, y, width: Math.max(1, 0.86 * w / Math.max(1, times.length)), isStacked: as === 'bars' }) : series.flatMap((one) => lines(one, { x, y, floor: TOP + tall })),
    s('text', { class: 'tick', x: LEFT, y: HEIGHT - 4 }, first),
    last !== first && s('text', { class: 'tick', x: width - RIGHT, y: HEIGHT - 4, 'text-anchor': 'end' }, last))
}

/**
 * @param {string} title
 * @param {readonly Series[]} series
 * @param {Scale} scale
 */
function summary (title, series, scale) {
  const latest = series.map(({ name, values }) => [name, values.findLast((value) => value !== undefined)]).filter(([, value]) => value !== undefined)
  return `${title}. ${latest.length === 0 ? 'Nothing yet' : `Last: ${latest.map(([name, value]) => `${name} ${scale.text(/** @type {number} */ (value))}`).join(', ')}`}.`
}

/**
 * A line has gaps where there is no value; one value alone is a dot.
 * @param {Series} series
 * @param {{ x: (at: number) => number, y: (value: number) => number, floor: number }} place
 */
function lines ({ class: name, values }, { x, y, floor }) {
  /** @type {Array<Array<[number, number]>>} */
  const runs = []
  let isOn = false
  for (const [at, value] of values.entries()) {
    if (value === undefined) isOn = false
    else if (isOn) runs.at(-1)?.push([x(at), y(value)])
    else {
      runs.push([[x(at), y(value)]])
      isOn = true
    }
  }
  return runs.flatMap((run) => {
    const path = run.map(([left, top], at) => `${at === 0 ? 'M' : 'L'}${left.toFixed(1)} ${top.toFixed(1)}`).join('')
    const [from, to] = [run[0]?.[0] ?? 0, run.at(-1)?.[0] ?? 0]
    return [
      s('path', { class: `area ${name}`, d: `${path}L${to.toFixed(1)} ${floor}L${from.toFixed(1)} ${floor}Z` }),
      s('path', { class: `line ${name}`, d: run.length === 1 ? `${path}h0.01` : path })
    ]
  })
}

/**
 * @param {readonly Series[]} series
 * @param {{ x: (at: number) => number, y: (value: number) => number, width: number, isStacked: boolean }} place
 */
function bars (series, { x, y, width, isStacked }) {
  const length = series[0]?.values.length ?? 0
  const zero = y(0)
  const own = isStacked ? width : width / series.length
  return Array.from({ length }, (_, at) => at).flatMap((at) => {
    let top = zero
    return series.flatMap(({ class: name, values }, nth) => {
      const height = zero - y(values[at] ?? 0)
      if (height <= 0) return []
      top = (isStacked ? top : zero) - height
      return [s('rect', { class: name, x: x(at) - width / 2 + (isStacked ? 0 : nth * own), y: top, width: own, height })]
    })
  })
}

/**
 * From 0 to something round above the largest, in whole steps.
 * @param {number} largest
 * @param {(value: number) => string} text
 * @returns {Scale}
 */
export function linear (largest, text) {
  const rough = Math.max(largest, 1) / 3
  const power = 10 ** Math.floor(Math.log10(rough))
  const step = Math.max(1, power * ([1, 2, 5, 10].find((factor) => factor * power >= rough) ?? 10))
  const top = step * Math.max(1, Math.ceil(Math.max(largest, 1) / step))
  return { ticks: Array.from({ length: Math.round(top / step) + 1 }, (_, at) => at * step), share: (value) => value / top, text }
}

/**
 * From 0 to 1.
 * @param {(value: number) => string} text
 * @returns {Scale}
 */
export function shares (text) {
  return { ticks: [0, 0.25, 0.5, 0.75, 1], share: (value) => value, text, tick: (value) => `${100 * value} %` }
}

/**
 * By powers of ten, for what differs by orders of magnitude.
 * @param {readonly number[]} values
 * @param {(value: number) => string} text
 * @returns {Scale}
 */
export function logarithmic (values, text) {
  const known = values.filter((value) => value > 0)
  const low = Math.floor(Math.log10(known.length === 0 ? 0.1 : Math.min(...known)))
  const high = Math.max(low + 1, Math.ceil(Math.log10(known.length === 0 ? 1 : Math.max(...known))))
  return {
    ticks: Array.from({ length: high - low + 1 }, (_, at) => 10 ** (low + at)),
    share: (value) => value <= 0 ? 0 : (Math.log10(value) - low) / (high - low),
    text
  }
}

/**
 * A bar of parts of a whole, with their sizes in words.
 * @param {ReadonlyArray<readonly [color: string, size: number]>} parts
 * @param {string} label
 */
export function meter (parts, label) {
  const all = parts.reduce((sum, [, size]) => sum + size, 0)
  let x = 0
  return s('svg', { class: 'meter', viewBox: '0 0 100 8', preserveAspectRatio: 'none', role: 'img', 'aria-label': label },
    s('title', {}, label),
    s('rect', { class: 'meter-rest', width: 100, height: 8 }),
    ...parts.map(([name, size]) => {
      const width = all === 0 ? 0 : 100 * size / all
      const part = s('rect', { class: name, x, width, height: 8 })
      x += width
      return part
    }))
}
