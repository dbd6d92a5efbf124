import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { spawnPlain } from '../../test/helpers/plain-process.ts'
import { bound } from '../cores.ts'

/** Where tsx is found, from wherever this is run. */
const ROOT = fileURLToPath(new URL('../..', import.meta.url))

/** A process of the herd. It ends with this one, since its channel to it closes then. */
export class Child {
  readonly #process: ChildProcess
  readonly #name: string
  readonly #ended: Promise<never>

  /** `core`: the only one it may run on. */
  constructor (file: string, { args = [], core }: { args?: readonly string[], core?: number | undefined } = {}) {
    this.#name = file
    const path = fileURLToPath(new URL(file, import.meta.url))
    this.#process = spawnPlain(...bound(core, process.execPath, ['--import=tsx', path, ...args]), {
      cwd: ROOT, stdio: ['ignore', 'inherit', 'inherit', 'ipc'], serialization: 'advanced'
    })
    this.#ended = once(this.#process, 'exit').then(([code, signal]) => { throw new Error(`${file} has ended: ${String(code ?? signal)}`) })
    this.#ended.catch(() => {}) // those who wait hear of it
  }

  get pid (): number {
    return this.#process.pid!
  }

  onMessage<Report> (heard: (report: Report) => void): void {
    this.#process.on('message', heard)
  }

  /** The next message that `wanted` takes. Fails when the process ends before. */
  async next<Report> (wanted: (report: Report) => boolean = () => true): Promise<Report> {
    let hear = (_: Report): void => {}
    const heard = new Promise<Report>((resolve) => { hear = (report) => { if (wanted(report)) resolve(report) } })
    this.#process.on('message', hear)
    try {
      return await Promise.race([heard, this.#ended])
    } finally {
      this.#process.off('message', hear)
    }
  }

  tell (command: object): void {
    if (!this.#process.connected) throw new Error(`${this.#name} has ended`)
    this.#process.send(command)
  }

  /** SIGKILL. Resolves when the process is gone. */
  async kill (): Promise<void> {
    this.#process.kill('SIGKILL')
    await this.#ended.catch(() => {})
  }
}
