import t from 'tap'
import { PendingWrites } from '../../lib/store/pending-writes.ts'

/** A write that ends when the test says so. */
function write (writes: PendingWrites, bytes: number): { answer: () => Promise<void>, fail: () => Promise<void> } {
  let [resolve, reject] = [(): void => {}, (_fault: Error): void => {}]
  const written = writes.track(new Promise<void>((...settle) => { [resolve, reject] = settle }), bytes)
  const ended = async (end: () => void): Promise<void> => {
    end()
    await Promise.resolve(written).catch(() => {}) // whoever writes hears of it
  }
  return { answer: async () => { await ended(resolve) }, fail: async () => { await ended(() => { reject(new Error('away')) }) } }
}

t.test('writes on their way are bounded in number, and those that end make room, however they do', async (t) => {
  const writes = new PendingWrites({ pendingWrites: 2, pendingWriteBytes: 1000 })
  for (let round = 0; round < 10; round++) {
    t.equal(writes.admits(1), true)
    const one = write(writes, 1)
    t.equal(writes.admits(1), true)
    const other = write(writes, 1)
    t.strictSame([writes.admits(1), writes.size], [false, 2])
    await one.fail()
    t.strictSame([writes.admits(1), writes.size], [true, 1])
    await other.answer()
    t.equal(writes.size, 0)
  }
})

t.test('writes on their way are bounded in bytes', async (t) => {
  const writes = new PendingWrites({ pendingWrites: 100, pendingWriteBytes: 1000 })
  for (let round = 0; round < 10; round++) {
    const one = write(writes, 600)
    t.strictSame([writes.admits(400), writes.admits(401)], [true, false])
    await (round % 2 === 0 ? one.answer() : one.fail())
    const other = write(writes, 1)
    t.strictSame([writes.admits(999), writes.admits(1000)], [true, false])
    await other.fail()
  }
})

t.test('alone a write may be larger than all together, and then it is alone', async (t) => {
  const writes = new PendingWrites({ pendingWrites: 100, pendingWriteBytes: 1000 })
  t.equal(writes.admits(5000), true)
  const large = write(writes, 5000)
  t.strictSame([writes.admits(1), writes.admits(5000)], [false, false])
  await large.answer()
  t.equal(writes.admits(1000), true)
})

t.test('what the store has kept at once was never on its way', async (t) => {
  const writes = new PendingWrites({ pendingWrites: 1, pendingWriteBytes: 1000 })
  t.equal(writes.track(undefined, 5000), undefined)
  t.strictSame([writes.size, writes.admits(1000)], [0, true])
})
