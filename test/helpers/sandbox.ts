/**
 * Loaded into a program before it runs, so that examples can be written the way people write them: a server that asks
 * for port 3000 gets a free port of 127.0.0.1 and tells the parent process which, and a connection to Redis's port
 * 6379 goes to the Redis in `SANDBOX_REDIS_PORT`.
 */
import dns from 'node:dns/promises'
import { Server, Socket, type AddressInfo } from 'node:net'

// What Node passes on, whatever the caller wrote: options, and the callback.
type ConnectArguments = [options: { port?: number | string, host?: string }, callback: unknown]

const { listen } = Server.prototype
const { connect } = Socket.prototype

Server.prototype.listen = function (this: Server, ...args: unknown[]) {
  this.once('listening', () => process.send?.({ port: (this.address() as AddressInfo).port }))
  const callback = args.find(argument => typeof argument === 'function')
  return Reflect.apply(listen, this, [{ port: 0, host: '127.0.0.1' }, callback]) as Server
}

Socket.prototype.connect = function (this: Socket, ...args: unknown[]) {
  const [first] = args
  const [options] = (Array.isArray(first) ? first : args) as ConnectArguments
  if (Number(options.port) === 6379 && process.env.SANDBOX_REDIS_PORT !== undefined) {
    options.port = process.env.SANDBOX_REDIS_PORT
    options.host = '127.0.0.1'
  }
  return Reflect.apply(connect, this, args) as Socket
}

// node-redis looks up the name of the host once more, to learn whether its network is private.
Object.assign(dns, { lookup: async () => ({ address: '127.0.0.1', family: 4 }) })
