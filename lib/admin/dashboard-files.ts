import { readFile } from 'node:fs/promises'
import type { FastifyInstance, FastifySchema } from 'fastify'

/** The files of the page besides itself. Each has a route of its own: nothing is looked up by what a client says. */
const FILES = [
  'style.css',
  'icon.svg',
  'main.js',
  'live.js',
  'api.js',
  'charts.js',
  'dom.js',
  'format.js',
  'numbers.js',
  'poll.js',
  'words.js',
  'parts.js',
  'table.js',
  'views/overview.js',
  'views/endpoints.js',
  'views/entries.js',
  'views/entry.js',
  'views/invalidate.js',
  'views/explain.js'
] as const

const TYPES: Readonly<Record<string, string>> = {
  css: 'text/css; charset=utf-8',
  html: 'text/html; charset=utf-8',
  js: 'text/javascript; charset=utf-8',
  svg: 'image/svg+xml; charset=utf-8'
}

const FOLDER = new URL('./dashboard/', import.meta.url)

/** Not part of the API, and never cached. */
const schema: FastifySchema & { readonly hide: boolean } = { hide: true }
const route = { config: { cache: false }, schema } as const

/** The page and its files, read once, when they are registered. */
export async function addDashboard (app: FastifyInstance): Promise<void> {
  const page = await readFile(new URL('index.html', FOLDER))
  app.get('/', route, async ({ originalUrl }, reply) => {
    const path = originalUrl.split('?', 1)[0]!
    // The page names its files from where the browser has it; without the slash that would be one level too high.
    if (!path.endsWith('/')) return await reply.redirect(`./${path.slice(path.lastIndexOf('/') + 1)}/`)
    return await reply.type(TYPES['html']!).send(page)
  })
  for (const name of FILES) {
    const text = await readFile(new URL(name, FOLDER))
    const type = TYPES[name.slice(name.lastIndexOf('.') + 1)]!
    app.get(`/assets/${name}`, route, async (_request, reply) => await reply.type(type).send(text))
  }
}
