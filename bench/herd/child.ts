import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { builtProgram } from '../../test/helpers/built-program.ts'
import { spawnPlain } from '../../test/helpers/plain-process.ts'
import { bound } from '../cores.ts'

/** A process of the herd. It ends with this one, since its channel to it closes then. */
export class Child {
  readonly #process: ChildProcess
  readonly #name: string
  readonly #ended: Promise<never>

  /** Starts a file; `core`: the only one it may run on. */
  static async start (file: string, { args = [], core }: { args?: readonly string[], core?: number | undefined } = {}): Promise<Child> {
    const program = await builtProgram(fileURLToPath(new URL(file, import.meta.url)))
    return new Child(file, bound(core, process.execPath, [program, ...args]))
  }

  private constructor (name: string, [command, args]: ReturnType<typeof bound>) {
    this.#name = name
    this.#process = spawnPlain(command, args, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'], serialization: 'advanced' })
    this.#ended = once(this.#process, 'exit').then(([code, signal]) => { throw new Error(`${name} has ended: ${String(code ?? signal)}`) })
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
