import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { deserialize } from 'node:v8'
import t from 'tap'
import { decodeEntry } from '../../lib/index.ts'
import { Integrity } from '../../lib/store/integrity.ts'
import type { MarkKind } from '../../lib/marks/ledger.ts'
import type { ConnectedRedis } from '../../lib/store/redis-client.ts'
import { RedisMarks } from '../../lib/store/redis-marks.ts'
import type { Entry, StoredResponse, StoredValue, StoredVariants } from '../../lib/stored-entry.ts'
import { entryOf, folderOf, frameOf, VERSION, type Fixture } from '../fixtures/stored-format/fixtures.ts'
import { useRedis, type TestRedis } from '../helpers/redis.ts'

/*
 * Releases that run side by side share one Redis. What is in test/fixtures/stored-format was written by the release of that format, and stays
 * as it is. docs/keys.md says how a release adds a format.
 */

interface MarksFixture {
  readonly commands: readonly string[][]
  readonly ledger: {
    readonly incarnation: string
    readonly clock: number
    readonly floor: number
    readonly marks: ReadonlyArray<{ readonly kind: string, readonly label: string, readonly stamp: number }>
  }
}

interface Written {
  readonly name: string
  readonly fixture: Fixture
  readonly frame: Buffer
}

const versions = (await readdir(folderOf(VERSION - 1).replace(/\d+$/, ''))).filter((name) => /^\d+$/.test(name)).map(Number)

async function writtenBy (version: number): Promise<Written[]> {
  const folder = folderOf(version)
  const names = (await readdir(folder)).filter((name) => name.endsWith('.bin')).map((name) => name.slice(0, -4))
  return await Promise.all(names.map(async (name) => ({
    name,
    fixture: JSON.parse(await readFile(join(folder, `${name}.json`), 'utf8')) as Fixture,
    frame: await readFile(join(folder, `${name}.bin`))
  })))
}

/** The entry in a frame, also in a signed one. */
function read ({ fixture: { name, secret }, frame }: Written): Entry | undefined {
  const opened = secret === undefined ? frame : new Integrity([secret]).open(name!, frame)
  return opened === undefined ? undefined : decodeEntry(opened)
}

t.test('there are frames of the format that is written, and of the one before it, if that was released', async (t) => {
  t.ok(versions.includes(VERSION), `test/fixtures/stored-format/${VERSION} is missing: see "Versions" in docs/keys.md`)
  t.equal(Math.max(...versions), VERSION)
  const names = (await writtenBy(VERSION)).map(({ name }) => name).sort()
  t.strictSame(names, ['response', 'response-least', 'signed', 'value-bytes', 'value-clone', 'variants'])
})

for (const version of versions.filter((version) => version >= VERSION - 1)) {
  t.test(`a frame of format ${version} is read as what was written`, async (t) => {
    for (const written of await writtenBy(version)) {
      const { name, fixture, frame } = written
      t.equal(frame.toString('latin1', 0, 4), `FRC${String.fromCharCode(version)}`, name)
      const entry = read(written)
      t.strictSame(entry, entryOf(fixture), name)
      if (fixture.value !== undefined) t.strictSame(deserialize(entry!.body), fixture.value, name)
      if (fixture.secret !== undefined) t.equal(decodeEntry(frame), undefined, 'signed, and no frame for who has no secret')
    }
  })

  t.test(`marks of format ${version} are read as what was marked`, async (t) => {
    const redis = await useRedis(t)
    const { commands, ledger: expected } = await marksOf(version)
    const marks = openMarks(redis)
    for (const command of commands) await redis.client.sendCommand(command.map((part) => part === '<key>' ? marks.channel : part))
    await marks.refresh()
    const { ledger } = marks
    t.strictSame({ incarnation: ledger.incarnation, clock: ledger.clock, floor: ledger.floor, marks: ledger.newerThan(0) }, expected)
  })
}

t.test('what an older format than that of the release before has written is read as it was, or is nothing', async (t) => {
  for (const version of versions.filter((version) => version < VERSION - 1)) {
    for (const written of await writtenBy(version)) {
      const entry = read(written)
      if (entry !== undefined) t.strictSame(entry, entryOf(written.fixture))
    }
  }
  t.pass('none is misread')
})

t.test('the same entry is written as the same bytes for as long as the version stays the same', async (t) => {
  for (const { name, fixture, frame } of await writtenBy(VERSION)) {
    t.ok(frameOf(fixture).equals(frame), `${name}: other bytes need another version, see "Versions" in docs/keys.md`)
  }
})

type Names<T> = Record<keyof T, true>

const OF_ALL = { kind: true, key: true, storedAt: true, filled: true, labels: true, body: true } as const

/** A field that is added here belongs into the frames as well: a release that does not know it must not read them. */
const FIELDS: { response: Names<StoredResponse>, value: Names<StoredValue>, variants: Names<StoredVariants> } = {
  response: { ...OF_ALL, staleAt: true, ageMs: true, costMs: true, isValidatable: true, changed: true, coded: true, adaptive: true, status: true, headers: true, removed: true, vary: true, whileRevalidateMs: true, ifErrorMs: true },
  value: { ...OF_ALL, encoding: true, origin: true },
  variants: { ...OF_ALL, names: true, digests: true, until: true, costMs: true }
}

t.test('the frames have every field that an entry can have', async (t) => {
  const written = await writtenBy(VERSION)
  for (const [kind, fields] of Object.entries(FIELDS)) {
    const found = new Set(written.filter(({ fixture }) => fixture.entry.kind === kind).flatMap((one) => Object.keys(read(one)!)))
    t.strictSame([...found].sort(), Object.keys(fields).sort(), kind)
  }
})

t.test('marks are set as the members that every release reads', async (t) => {
  const redis = await useRedis(t)
  const { commands, ledger } = await marksOf(VERSION)
  const marks = openMarks(redis)
  await marks.keepCopies()
  for (const { kind, label } of ledger.marks) {
    if (kind === 'changed') await marks.changed(['user:1:profile'])
    else await marks.mark(kind as MarkKind, [label])
  }
  const expected = commands.flatMap((command) => command.slice(2).filter((_part, i) => i % 2 === 1))
  const members = (await redis.client.zRange(marks.channel, 0, -1)).map((member) => /^o/.test(member) ? 'o' : member)
  t.strictSame(members.sort(), expected.map((member) => /^o/.test(member) ? 'o' : member).sort())
})

t.test('members of the marks that a later release may add are of no consequence', async (t) => {
  const redis = await useRedis(t)
  const marks = openMarks(redis)
  await marks.mark('hard', ['t:user:1'])
  const before = marks.ledger.newerThan(0)
  await redis.client.zAdd(marks.channel, { score: marks.ledger.clock + 10, value: 'zsomething' })
  await redis.client.zAdd(marks.channel, { score: marks.ledger.clock + 20, value: 'c' })
  await marks.refresh()
  t.strictSame(marks.ledger.newerThan(0), before)
  await marks.mark('soft', ['t:user:1'])
  t.match(marks.ledger.newerThan(0), { length: 2 })
})

async function marksOf (version: number): Promise<MarksFixture> {
  return JSON.parse(await readFile(join(folderOf(version), 'marks.json'), 'utf8')) as MarksFixture
}

function openMarks ({ client, prefix }: TestRedis): RedisMarks {
  // The types of node-redis have parameters for modules and replies that no common type fits.
  return new RedisMarks({ prefix, open: () => client as unknown as ConnectedRedis })
}
