// Loaded into the origin of the suite before itself: what it listens on is for this machine alone, and it ends with who has started it.
import { Server } from 'node:net'

const { listen } = Server.prototype
Server.prototype.listen = function (port) {
  return listen.call(this, Number(port), '127.0.0.1')
}

process.stdin.resume().once('end', () => process.exit())
