import { Agent, request } from 'node:http'

export interface Answer {
  readonly status: number
  readonly xCache: string | undefined
  readonly body: string
}

/** The same for all processes, as behind a load balancer: it is part of the key. */
const HOST = 'app.test'
const LONGEST_MS = 10_000

/** Many connections to apps of this machine. */
export class Client {
  #agent = new Agent({ keepAlive: true })

  /** Rejects when no complete answer comes. */
  async ask (port: number, { method, path, json }: { method: string, path: string, json?: string }): Promise<Answer> {
    const headers = json === undefined ? { host: HOST } : { host: HOST, 'content-type': 'application/json', 'content-length': Buffer.byteLength(json) }
    return await new Promise((resolve, reject) => {
      const asked = request({ host: '127.0.0.1', port, path, method, headers, agent: this.#agent, signal: AbortSignal.timeout(LONGEST_MS) }, (response) => {
        const chunks: Buffer[] = []
        response.on('data', (chunk: Buffer) => { chunks.push(chunk) })
        response.on('error', reject)
        response.on('end', () => {
          resolve({ status: response.statusCode ?? 0, xCache: response.headers['x-cache'] as string | undefined, body: Buffer.concat(chunks).toString() })
        })
      })
      asked.on('error', reject)
      asked.end(json)
    })
  }

  /** Closes the connections that nobody uses; the next request opens new ones. */
  hangUp (): void {
    this.#agent.destroy()
    this.#agent = new Agent({ keepAlive: true })
  }
}
