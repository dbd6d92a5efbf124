/** RFC 8941 section 4.2.2, read step by step as it is written there. Values as written; `undefined`: malformed or empty. */
export function dictionaryByHand (field: string): Array<[key: string, values: [string | null]]> | undefined {
  try {
    return new Reader(field).dictionary()
  } catch (fault) {
    if (fault instanceof Malformed) return undefined
    throw fault
  }
}

class Malformed extends Error {}

class Reader {
  readonly #text: string
  #at = 0

  constructor (text: string) {
    this.#text = text
  }

  dictionary (): Array<[string, [string | null]]> {
    const members = new Map<string, [string | null]>()
    this.#skip(' ')
    for (;;) {
      const key = this.#key()
      const value = this.#takes('=') ? this.#written(() => { if (this.#next === '(') this.#innerList(); else this.#bareItem() }) : '?1'
      this.#parameters()
      if (value === '?0') members.delete(key)
      else members.set(key, [value === '?1' ? null : value])
      this.#skip(' \t')
      if (this.#next === '') return [...members]
      if (!this.#takes(',')) throw new Malformed()
      this.#skip(' \t')
      if (this.#next === '') throw new Malformed()
    }
  }

  get #next (): string {
    return this.#text[this.#at] ?? ''
  }

  /** The text that is read. Of an inner list that is all but the parameters behind it. */
  #written (read: () => void): string {
    const from = this.#at
    read()
    return this.#text.slice(from, this.#at)
  }

  #innerList (): void {
    this.#at++
    for (;;) {
      this.#skip(' ')
      if (this.#takes(')')) return
      this.#bareItem()
      this.#parameters()
      if (this.#next !== ' ' && this.#next !== ')') throw new Malformed()
    }
  }

  #parameters (): void {
    while (this.#takes(';')) {
      this.#skip(' ')
      this.#key()
      if (this.#takes('=')) this.#bareItem()
    }
  }

  #key (): string {
    if (!/^[a-z*]$/.test(this.#next)) throw new Malformed()
    return this.#written(() => { this.#skipAll(/^[a-z0-9_.*-]$/) })
  }

  #bareItem (): void {
    const first = this.#next
    if (/^[0-9-]$/.test(first)) this.#number()
    else if (first === '"') this.#string()
    else if (/^[A-Za-z*]$/.test(first)) this.#skipAll(/^[!#$%&'*+.^_`|~:/A-Za-z0-9-]$/)
    else if (first === ':') this.#bytes()
    else if (first === '?' && /^[01]$/.test(this.#text[this.#at + 1] ?? '')) this.#at += 2
    else throw new Malformed()
  }

  #number (): void {
    this.#takes('-')
    const whole = this.#written(() => { this.#skipAll(/^\d$/) })
    if (whole === '' || whole.length > 15) throw new Malformed()
    if (!this.#takes('.')) return
    const fraction = this.#written(() => { this.#skipAll(/^\d$/) })
    if (whole.length > 12 || fraction === '' || fraction.length > 3) throw new Malformed()
  }

  #string (): void {
    for (this.#at++; !this.#takes('"'); this.#at++) {
      if (this.#takes('\\') ? !/^["\\]$/.test(this.#next) : !/^[ -~]$/.test(this.#next)) throw new Malformed()
    }
  }

  #bytes (): void {
    this.#at++
    this.#skipAll(/^[A-Za-z0-9+/=]$/)
    if (!this.#takes(':')) throw new Malformed()
  }

  #takes (char: string): boolean {
    if (this.#next !== char) return false
    this.#at++
    return true
  }

  #skip (chars: string): void {
    while (this.#next !== '' && chars.includes(this.#next)) this.#at++
  }

  #skipAll (pattern: RegExp): void {
    while (pattern.test(this.#next)) this.#at++
  }
}
