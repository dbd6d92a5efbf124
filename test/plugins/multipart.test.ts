import multipart, { type FastifyMultipartAttachFieldsToBodyOptions, type FastifyMultipartOptions } from '@fastify/multipart'
import type { FastifyRequest } from 'fastify'
import type { Test } from 'tap'
import type { RequestOptions } from '../plugin/exchange.ts'
import type { Service } from '../plugin/serve.ts'
import { cached, inBothOrders, type Setting } from './orders.ts'

interface Part { name: string, content: string, filename?: string }

function form (...parts: Part[]): RequestOptions {
  const lines = parts.map(({ name, content, filename }) => {
    const file = filename === undefined ? '' : `; filename="${filename}"\r\ncontent-type: text/plain`
    return `--limit\r\ncontent-disposition: form-data; name="${name}"${file}\r\n\r\n${content}\r\n`
  })
  return { method: 'POST', headers: { 'content-type': 'multipart/form-data; boundary=limit' }, body: `${lines.join('')}--limit--\r\n` }
}

const ada = form({ name: 'who', content: 'ada' }, { name: 'file', filename: 'a.txt', content: 'text of ada' })
const bob = form({ name: 'who', content: 'bob' }, { name: 'file', filename: 'a.txt', content: 'text of bob' })

function setting (options: FastifyMultipartOptions | FastifyMultipartAttachFieldsToBodyOptions, handler: (request: FastifyRequest) => Promise<string>): () => Setting {
  return () => ({
    plugin: (app) => app.register(multipart, options),
    routes: (app) => { app.post('/', cached({ varyByBody: true }), handler) }
  })
}

/** Different forms never share a response. Gives what the cache did for each request. */
async function apart (t: Test, { get }: Service, forms: Array<[form: RequestOptions, text: string]>): Promise<Array<string | undefined>> {
  const outcomes = []
  for (let time = 0; time < 2; time++) {
    for (const [form, text] of forms) {
      const response = await get('/', form)
      t.strictSame([response.status, response.text], [200, text])
      outcomes.push(response.field('cache-status')?.replace(/ttl=\d+/, 'ttl'))
    }
  }
  return outcomes
}

const UNKEYABLE = 'fastify-response-cache; fwd=bypass; detail=unkeyable'
const MISS = 'fastify-response-cache; fwd=uri-miss; stored'
const HIT = 'fastify-response-cache; hit; ttl'

inBothOrders('@fastify/multipart: a form that only the handler reads is never cached', setting({}, async (request) => {
  let text = ''
  for await (const part of request.parts()) text += part.type === 'file' ? (await part.toBuffer()).toString() : String(part.value)
  return text
}), async (t, service) => {
  t.strictSame(await apart(t, service, [[ada, 'adatext of ada'], [bob, 'bobtext of bob']]), [UNKEYABLE, UNKEYABLE, UNKEYABLE, UNKEYABLE])
})

inBothOrders('@fastify/multipart: forms with files attached as parts are never cached', setting({ attachFieldsToBody: true }, async (request) => {
  const body = request.body as { who: { value: string }, file: { toBuffer (): Promise<Buffer> } }
  return `${body.who.value}${(await body.file.toBuffer()).toString()}`
}), async (t, service) => {
  t.strictSame(await apart(t, service, [[ada, 'adatext of ada'], [bob, 'bobtext of bob']]), [UNKEYABLE, UNKEYABLE, UNKEYABLE, UNKEYABLE])
})

inBothOrders('@fastify/multipart: with attachFieldsToBody: keyValues forms are told apart by every value, files included', setting({ attachFieldsToBody: 'keyValues' }, async (request) => {
  const { who, file } = request.body as { who: string, file?: Buffer }
  return `${who} ${file?.toString() ?? 'without a file'}`
}), async (t, service) => {
  const other = form({ name: 'who', content: 'ada' }, { name: 'file', filename: 'a.txt', content: 'text of Ada' })
  const bare = form({ name: 'who', content: 'ada' })
  const outcomes = await apart(t, service, [[ada, 'ada text of ada'], [bob, 'bob text of bob'], [other, 'ada text of Ada'], [bare, 'ada without a file']])
  t.strictSame(outcomes, [MISS, MISS, MISS, MISS, HIT, HIT, HIT, HIT])
})
