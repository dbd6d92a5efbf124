import { once } from 'node:events'
import { createServer as createHttpServer, type RequestListener } from 'node:http'
import { createServer, type AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import { cli } from './scene.ts'

const SECRET = 'sesame'

async function listening (t: Test, server: ReturnType<typeof createServer>): Promise<number> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => { server.close() })
  return (server.address() as AddressInfo).port
}

async function startHttp (t: Test, listener: RequestListener): Promise<string> {
  return `http://127.0.0.1:${await listening(t, createHttpServer(listener))}/`
}

t.test('a Redis that repeats what it was sent gives no password away, nor the beginning of a long one', async (t) => {
  const password = SECRET.repeat(50)
  const port = await listening(t, createServer((socket) => {
    socket.on('error', () => {})
    socket.on('data', () => { socket.write(`-ERR unknown command 'HELLO', with args beginning with: '3' 'AUTH' 'default' '${password.slice(0, 100)}' \r\n`.repeat(4)) })
  }))
  for (const command of ['keys', 'doctor', 'stats']) {
    const { code, stdout, stderr } = await cli([command, '--redis', `redis://:${password}@127.0.0.1:${port}`])
    t.equal(code, 1)
    t.match(stdout + stderr, /unknown command 'HELLO'.*--admin/, command)
    t.notMatch(stdout + stderr, SECRET, command)
  }
})

t.test('a guard that repeats the token it refuses, and one that repeats user and password, are not repeated', async (t) => {
  const url = await startHttp(t, ({ headers }, response) => {
    response.writeHead(401, { 'content-type': 'application/json' }).end(JSON.stringify({ message: `no: ${headers.authorization!.split(' ')[1]}` }))
  })
  const ways: Array<[args: string[], env: Record<string, string>]> = [
    [['--admin', url, '--admin-header', `authorization: Bearer ${SECRET}`], {}],
    [['--admin', url.replace('//', `//u:${SECRET}@`)], {}],
    [[], { CACHE_ADMIN_URL: url, CACHE_ADMIN_HEADER: `authorization: Bearer ${SECRET}` }]
  ]
  for (const [args, env] of ways) {
    for (const command of ['keys', 'doctor', 'monitor']) {
      const ending = new AbortController()
      const { stdout, stderr } = await cli([command, ...args], { env, signal: ending.signal, onNote: (text) => { if (text.includes('refuses with 401')) ending.abort() } })
      t.match(stdout + stderr, /refuses with 401.*no: \*\*\*/, command)
      t.notMatch(stdout + stderr, SECRET)
      t.notMatch(stdout + stderr, btoa(`u:${SECRET}`))
    }
  }
})

t.test('a short password is hidden where it stands for itself, and texts stay as they are', async (t) => {
  for (const password of ['e', 'is', 'there', 'invalidate', 'a.b', '*', '\\', '/-^$']) {
    const { stderr } = await cli(['invalidate', '--all', '--redis', `redis://:${encodeURIComponent(password)}@h`])
    t.match(stderr, 'error: invalidate: there ', password)
  }
  const echoing = await startHttp(t, ({ headers }, response) => { response.writeHead(401).end(JSON.stringify({ message: `no (${headers['x-key']})` })) })
  t.match(await cli(['keys', '--admin', echoing, '--admin-header', 'x-key: a.bc']), { stderr: 'no (***)' })
})

t.test('addresses that cannot be read end with 2 and say where, and nothing of them', async (t) => {
  const cases: Array<[args: string[], env: Record<string, string>, says: RegExp]> = [
    [['--redis', `redis://u:100%${SECRET}@h`], {}, /--redis: expected user and password with % written as %25/],
    [['--cluster', '--redis', `redis://u:100%${SECRET}@h`], {}, /--redis: expected user/],
    [[], { REDIS_URL: `redis://u:100%${SECRET}@h` }, /REDIS_URL: expected user/],
    [[], { REDIS_URL: `redis://u:${SECRET}/slash@h` }, /REDIS_URL/],
    [['--redis', `redis://u:${SECRET}@h/main`], {}, /--redis: expected the number of a database/],
    [['--redis', `redis://u:${SECRET}@h:99999`], {}, /--redis: expected a URL/],
    [['--admin', `http://u:100%${SECRET}@h`], {}, /--admin: expected user/],
    [[], { CACHE_ADMIN_URL: `http://u:100%${SECRET}@h` }, /CACHE_ADMIN_URL: expected user/],
    [[], { CACHE_ADMIN_URL: 'http://h', CACHE_ADMIN_HEADER: SECRET }, /CACHE_ADMIN_HEADER: expected a header field/],
    [[`--redis=redis://u:p@${SECRET}@h`, '--no-such-option=redis://u:p@sesame@h'], {}, /unknown option '--no-such-option=redis:\/\/\*\*\*@h'/],
    [['--sentinel', 'm', '--cluster', '--redis', 'redis://h'], {}, /not both/],
    [['--sentinel', '', '--redis', 'redis://h'], {}, /--sentinel: expected the name/]
  ]
  for (const [args, env, says] of cases) {
    for (const command of ['keys', 'doctor']) {
      const { code, stdout, stderr } = await cli([command, ...args], { env })
      t.match({ code, stdout, stderr }, { code: 2, stdout: '', stderr: says }, [...args, ...Object.keys(env)].join(' ').replaceAll(SECRET, '…'))
      t.notMatch(stderr, SECRET)
    }
  }
})

t.test('a server that is not the admin routes is said to be none, whatever JSON it answers', async (t) => {
  const other = await startHttp(t, (_request, response) => { response.writeHead(200, { 'content-type': 'application/json' }).end('{"hello":"world"}') })
  for (const args of [['stats'], ['top'], ['keys'], ['inspect', 'a'], ['explain', '/a'], ['invalidate', '--all', '--yes'], ['doctor']]) {
    const { code, stdout, stderr } = await cli([...args, '--admin', other])
    t.equal(code, 1)
    t.match(stdout + stderr, /expected 200 with what the admin routes say/, args.join(' '))
  }
  const away = await startHttp(t, (_request, response) => { response.writeHead(301, { location: 'https://elsewhere.example/\x1b[2J'.replace('\x1b', '%1b') }).end() })
  t.match(await cli(['keys', '--admin', away]), { code: 1, stdout: '', stderr: /answered 301, which leads to https:\/\/elsewhere\.example/ })
})
