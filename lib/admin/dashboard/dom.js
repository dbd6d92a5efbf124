/**
 * @typedef {Node | string | number | undefined | false} Child
 * @typedef {Record<string, string | number | boolean | undefined | ((event: Event) => unknown)>} Attributes
 */

const SVG = 'http://www.w3.org/2000/svg'

/**
 * What is not seen, or changes the direction of what stands around it: clients choose keys, tags and bodies. Line breaks and tabs stay, and
 * what joins letters.
 */
const UNSEEN = /[^\P{Cc}\n\t]|[^\P{Cf}\u200c\u200d]|[\p{Cs}\p{Zl}\p{Zp}]/gu

/**
 * A text of which all is seen.
 * @param {string} text
 */
export function visible (text) {
  return text.replace(UNSEEN, (char) => `\\u{${/** @type {number} */ (char.codePointAt(0)).toString(16)}}`)
}

/**
 * An element. Texts become text nodes, and all of them is seen, whatever is in them; nothing here reads markup.
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Attributes} [attributes] Functions are listeners: `onclick`.
 * @param {...Child} children
 * @returns {HTMLElementTagNameMap[Tag]}
 */
export function h (tag, attributes = {}, ...children) {
  const element = document.createElement(tag)
  give(element, attributes)
  fill(element, ...children)
  return element
}

/**
 * An element of a drawing.
 * @template {keyof SVGElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Attributes} [attributes]
 * @param {...Child} children
 * @returns {SVGElementTagNameMap[Tag]}
 */
export function s (tag, attributes = {}, ...children) {
  const element = /** @type {SVGElementTagNameMap[Tag]} */ (document.createElementNS(SVG, tag))
  give(element, attributes)
  fill(element, ...children)
  return element
}

/**
 * Replaces what is in an element.
 * @param {Element} element
 * @param {...Child} children
 */
export function fill (element, ...children) {
  element.replaceChildren(...children.flatMap((child) => child === undefined || child === false ? [] : [typeof child === 'object' ? child : visible(String(child))]))
}

/**
 * Writes a text, unless it is there: what does not change is not read out again, and stays selected.
 * @param {Element} element
 * @param {string} text
 */
export function write (element, text) {
  const seen = visible(text)
  if (element.textContent !== seen) element.textContent = seen
}

/**
 * @param {Element} element
 * @param {Attributes} attributes
 */
function give (element, attributes) {
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === 'function') element.addEventListener(name.slice('on'.length), value)
    else if (value === true) element.setAttribute(name, '')
    else if (value !== undefined && value !== false) element.setAttribute(name, name === 'value' ? String(value) : visible(String(value)))
  }
}
