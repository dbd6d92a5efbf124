import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import type { Test } from 'tap'
import { requestText, type RequestOptions } from './exchange.ts'

/** A client that reads a response while it is being sent. */
export interface Connection {
  socket: Socket
  /** Resolves when the bytes received so far hold this text, to all of them; rejects when the connection ends before. */
  until (text: string): Promise<string>
  /** Resolves when the server has closed the connection, to all bytes. */
  end (): Promise<string>
}

export async function openConnection (t: Test, port: number, path: string, options?: RequestOptions): Promise<Connection> {
  const socket = connect(port, '127.0.0.1')
  t.teardown(() => { socket.destroy() })
  await once(socket, 'connect')
  let received = ''
  socket.on('data', (chunk: Buffer) => { received += chunk.toString('latin1') })
  socket.on('error', () => {}) // a reset ends the connection like any other end
  socket.write(requestText(path, options))
  return {
    socket,
    async until (text) {
      while (!received.includes(text)) {
        if (socket.destroyed) throw new Error(`the connection ended before ${text}: ${received}`)
        await Promise.race([once(socket, 'data'), once(socket, 'close')])
      }
      return received
    },
    async end () {
      if (!socket.closed) await once(socket, 'close')
      return received
    }
  }
}

/** A socket that has sent its request and reads nothing until it is resumed. */
export async function openPaused (t: Test, port: number, path: string): Promise<Socket> {
  const socket = connect(port, '127.0.0.1')
  t.teardown(() => { socket.destroy() })
  await once(socket, 'connect')
  socket.pause()
  socket.write(requestText(path))
  return socket
}

/** Resolves when `count` has not changed for a thousand turns of the event loop. */
export async function settled (count: () => number): Promise<number> {
  let last = count()
  for (let turns = 0; turns < 1000; turns++) {
    await new Promise((resolve) => { setImmediate(resolve) })
    if (count() === last && last > 0) continue
    last = count()
    turns = 0
  }
  return last
}
