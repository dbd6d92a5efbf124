import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { gzipSync } from 'node:zlib'
import t, { type Test } from 'tap'
import { createServer, type RequestListener } from 'node:http'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { parseSitemap } from '../../lib/cli/warm/sitemap.ts'
import { adminArgs, cli, startApp } from './scene.ts'

async function listFile (t: Test, content: string | Buffer): Promise<string> {
  const file = join(t.testdir({}), 'list')
  await writeFile(file, content)
  return file
}

async function startServer (t: Test, listener: RequestListener): Promise<string> {
  const server = createServer(listener).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => { server.close() })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

t.test('a file of URLs is warmed by requests, what is there is left alone, and what fails is told', async (t) => {
  const { origin } = await startApp(t)
  const file = await listFile(t, `# comment\r\n/users/1\n\n${origin}/users/2?a=ü\nhttps://elsewhere.example/users/3\n/session\n/plain\n/none\nno url\n`)
  const where = ['warm', file, '--base', origin]
  const { code, stdout } = await cli([...where, '--json'])
  t.equal(code, 1, 'some have failed')
  const report = JSON.parse(stdout)
  t.match(report, { filled: 3, fresh: 0, failed: 4 })
  t.match(Object.fromEntries(report.failures.map(({ target, reason }: { target: string, reason: string }) => [target, reason])), {
    '/session': 'not stored: set-cookie', '/plain': /without the cache/, '/none': 'answered with 404', 'no url': /expected a URL/
  })
  t.match((await cli([...where, '--json', '--limit', '3'])).json(), { filled: 0, fresh: 3, failed: 0 })
  t.match(await cli([...where, '--limit', '3']), { code: 0, stdout: 'Warmed 3: 0 filled, 3 fresh, 0 failed\n', stderr: '' })
  t.match((await cli([...where, '--limit', '3', '--header', 'host: shop.example', '--json'])).json(), { filled: 3 }, 'the host is part of the key')
  const asked = await cli([...where, '--limit', '3', '--header', 'authorization: x', '--json'])
  t.match(asked.json(), { failed: 3, failures: [{ reason: 'the cache was not asked: credentials' }] })
})

t.test('a bar shows how far it is on a terminal, and on standard error only', async (t) => {
  const { origin } = await startApp(t)
  const file = await listFile(t, '/users/1\n/users/2\n')
  const { stdout, stderr } = await cli(['warm', file, '--base', origin], { isTerminal: true })
  t.match(stderr, /Warming .*1 of 2/)
  t.equal(stdout, 'Warmed 2: 2 filled, 0 fresh, 0 failed\n')
})

t.test('with the admin routes the app warms itself', async (t) => {
  const { origin } = await startApp(t)
  const file = await listFile(t, '/users/1\nhttps://shop.example/users/2\n/none\n')
  t.match((await cli(['warm', file, '--json', ...adminArgs(origin)])).json(), { filled: 2, fresh: 0, failed: 1, failures: [{ target: '/none' }] })
  t.match((await cli(['warm', file, '--limit', '2', ...adminArgs(origin)])).stdout, /2 fresh/)
  t.match(await cli(['warm', file, '--admin', `${origin}/admin/cache`]), { code: 1, stderr: /refuses with 401/ }, 'what is no fault of a path ends it')
})

t.test('a handler that the admin routes do not wait for is one failure among others', async (t) => {
  const admin = await startServer(t, async (request, response) => {
    const { urls } = JSON.parse(await text(request)) as { urls: string[] }
    const isSlow = urls[0] === '/slow'
    response.writeHead(isSlow ? 504 : 200).end(JSON.stringify(isSlow ? { code: 'RESPONSE_CACHE_ERR_ADMIN_REQUEST', message: 'expected handlers that answer' } : { filled: 1, fresh: 0, failed: 0, failures: [] }))
  })
  const file = await listFile(t, '/slow\n/fast\n')
  t.match((await cli(['warm', file, '--json', '--admin', admin])).json(), { filled: 1, failed: 1, failures: [{ target: '/slow', reason: /takes longer/ }] })
})

t.test('a sitemap and the sitemaps that it names are read, those of other sites are not, and header fields go to one site only', async (t) => {
  const { origin } = await startApp(t)
  const sent: string[] = []
  const site = await startServer(t, ({ url, headers }, response) => {
    if (headers['accept-language'] === 'de') sent.push(url!)
    const pages = (...paths: string[]): string => `<?xml version="1.0"?><urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">${paths.map((path) => `<url><loc>${path}</loc></url>`).join('')}</urlset>`
    const documents: Record<string, string | Buffer> = {
      '/index.xml': `<?xml version="1.0" encoding="UTF-8"?><sitemapindex><sitemap><loc>http://${headers.host}/1.xml</loc></sitemap><sitemap><loc>http://${headers.host}/2.xml.gz</loc></sitemap><sitemap><loc>http://127.0.0.1:1/3.xml</loc></sitemap><sitemap><loc>http://${headers.host}/index.xml</loc></sitemap></sitemapindex>`,
      '/1.xml': pages('https://shop.example/users/1', 'https://shop.example/users/2?a=1&amp;b=2'),
      '/2.xml.gz': gzipSync(pages('https://shop.example/users/1', 'https://shop.example/users/3'))
    }
    response.writeHead(documents[url!] === undefined ? 404 : 200).end(documents[url!])
  })
  const { stdout, stderr } = await cli(['warm', `${site}/index.xml`, '--base', origin, '--header', 'accept-language: de'])
  t.equal(stdout, 'Warmed 3: 3 filled, 0 fresh, 0 failed\n')
  t.match(stderr, '1 sitemap of another site is left out')
  t.same(sent, [])
  t.match(await cli(['warm', `${site}/none.xml`, '--base', origin]), { code: 1, stdout: '', stderr: /none\.xml: expected 200, got 404/ })
  t.match(await cli(['warm', '/does/not/exist', '--base', origin]), { code: 1, stdout: '', stderr: /cannot read the file/ })
})

t.test('without --base all URLs are of one site, and paths have none', async (t) => {
  const { origin } = await startApp(t)
  const file = await listFile(t, `${origin}/users/1\nhttp://127.0.0.1:1/x\n/users/2\n`)
  t.match((await cli(['warm', file, '--json'])).json(), { filled: 2, failed: 1, failures: [{ target: 'http://127.0.0.1:1/x', reason: /expected a URL of/ }] })
  t.match(await cli(['warm', await listFile(t, '/users/1\n')]), { code: 2, stderr: /--base/ })
})

t.test('a sitemap does not send us, or our header fields, to another site: neither with its pages nor with sitemaps that it names', async (t) => {
  const heard: string[] = []
  const inside = await startServer(t, ({ url }, response) => {
    heard.push(url!)
    response.end('<urlset/>')
  })
  const site = await startServer(t, ({ url, headers: { host } }, response) => {
    const documents: Record<string, string> = {
      '/pages.xml': `<urlset><url><loc>${inside}/admin</loc></url><url><loc>http://${host}/own</loc></url></urlset>`,
      '/index.xml': `<sitemapindex><sitemap><loc>http://${host}/inner.xml</loc></sitemap></sitemapindex>`,
      '/inner.xml': `<sitemapindex><sitemap><loc>${inside}/secret.xml</loc></sitemap><sitemap><loc>http://${host}/pages.xml</loc></sitemap></sitemapindex>`
    }
    response.writeHead(200, { 'x-cache': 'HIT' }).end(documents[url!] ?? 'a page')
  })
  const index = await listFile(t, `<sitemapindex><sitemap><loc>${site}/inner.xml</loc></sitemap></sitemapindex>`)
  for (const list of [`${site}/pages.xml`, `${site}/index.xml`, index]) {
    const { stdout, code } = await cli(['warm', list, '--header', 'authorization: Bearer sesame', '--json'])
    t.match({ code, ...JSON.parse(stdout) }, { code: 1, fresh: 1, failed: 1, failures: [{ target: `${inside}/admin`, reason: /expected a URL of .*, as the sitemap/ }] }, list)
  }
  t.same(heard, [])
})

t.test('header fields for the app are not sent to where its sitemap is kept', async (t) => {
  const { origin } = await startApp(t)
  const sent: unknown[] = []
  const elsewhere = await startServer(t, ({ headers }, response) => {
    sent.push(headers.authorization)
    response.end('<urlset><url><loc>https://shop.example/places</loc></url></urlset>')
  })
  for (const where of [['--base', origin], adminArgs(origin)]) t.match(await cli(['warm', `${elsewhere}/sitemap.xml`, '--header', 'authorization: Bearer sesame', ...where]), { stdout: /^Warmed 1/ })
  t.same(sent, [undefined, undefined])
})

t.test('what is neither a list nor a sitemap is said to be none, and nothing of it is requested', async (t) => {
  const heard: string[] = []
  const origin = await startServer(t, ({ url }, response) => {
    heard.push(url!)
    response.end('<!doctype html>\n<script>\n/logout\n</script>')
  })
  for (const list of [`${origin}/sitemap.xml`, await listFile(t, '\ufeff\n <rss>\n/logout\n</rss>')]) {
    t.match(await cli(['warm', list, '--base', origin]), { code: 1, stdout: '', stderr: /expected a sitemap, which has the element <urlset>/ })
  }
  t.same(heard, ['/sitemap.xml'])
})

t.test('a list without an end, and a compressed one that is larger than it looks, are not read into memory', async (t) => {
  t.match(await cli(['warm', '/dev/zero', '--base', 'http://127.0.0.1:1']), { code: 1, stdout: '', stderr: /larger than 52428800 bytes/ })
  t.match(await cli(['warm', await listFile(t, gzipSync(Buffer.alloc(60 * 1024 * 1024))), '--base', 'http://127.0.0.1:1']), { code: 1, stdout: '', stderr: /cannot read the file/ })
})

t.test('a response without an end fails when its time is over, also behind its head, and passwords of URLs are not shown', async (t) => {
  const origin = await startServer(t, ({ url }, response) => {
    if (url === '/head') response.writeHead(200, { 'x-cache': 'MISS' }).write('and then nothing')
    if (url === '/cut') response.writeHead(200, { 'x-cache': 'MISS', 'content-length': 1000 }).write('some', () => { response.destroy() })
  })
  const file = await listFile(t, `/silent\n/head\n/cut\n${origin.replace('//', '//ann:sesame@')}/silent?2\n`)
  for (const args of [[], ['--json']]) {
    const { code, stdout, stderr } = await cli(['warm', file, '--base', origin, '--request-timeout', '300ms', '--concurrency', '4', ...args])
    t.match({ code, stderr }, { code: 1, stderr: '' })
    for (const target of ['/silent', '/head', '/cut', '***@']) t.ok(stdout.includes(target), target)
    t.notMatch(stdout, /sesame/)
  }
})

t.test('Ctrl+C ends it', async (t) => {
  const ending = new AbortController()
  const origin = await startServer(t, () => { ending.abort() }) // never answers
  const file = await listFile(t, '/a\n/b\n')
  t.match(await cli(['warm', file, '--base', origin], { signal: ending.signal }), { code: 130, stdout: '' })
})

t.test('what a sitemap names, whatever is around it', async (t) => {
  const of = (xml: string): readonly string[] | undefined => parseSitemap(xml, 100)?.locations
  t.same(of('<urlset><url><loc> https://a/?x=1&amp;y=&#50;&#x33; </loc></url></urlset>'), ['https://a/?x=1&y=23'])
  t.same(of('\ufeff<?xml version="1.0"?>\n<!-- made by <x> -->\n<urlset xmlns="x"><url><loc><![CDATA[https://a/?x=1&y=2]]></loc></url></urlset>'), ['https://a/?x=1&y=2'])
  t.same(of('<urlset><url><loc>https://a/</loc><image:image><image:loc>https://a/i.png</image:loc></image:image></url><!-- <url><loc>https://b/</loc></url> --></urlset>'), ['https://a/'])
  t.equal(of('<html><loc>https://a/</loc></html>'), undefined)
  t.equal(of('https://a/\nhttps://b/'), undefined)
  t.equal(parseSitemap(`<urlset>${'<loc>https://a/</loc>'.repeat(50)}</urlset>`, 10)?.locations.length, 10)
  for (const hostile of [`<urlset>${'<loc>'.repeat(200_000)}`, `<!--${' -'.repeat(200_000)}`, `<urlset>${'<!--'.repeat(200_000)}`, `<urlset><loc>${' '.repeat(500_000)}`, `<urlset>${'<loc> '.repeat(100_000)}`]) {
    const beganAt = performance.now()
    parseSitemap(hostile, 100)
    t.ok(performance.now() - beganAt < 2000, `${hostile.slice(0, 20)}… in ${Math.round(performance.now() - beganAt)} ms`)
  }
})
