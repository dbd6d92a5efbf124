import t from 'tap'
import { ForeignLives } from '../../lib/store/foreign-lives.ts'

/** What is remembered of each, at most. */
const MOST = 100

function lives (...heard: string[]): ForeignLives {
  const all = new ForeignLives()
  for (const life of heard) all.note(life)
  return all
}

t.test('what is heard of is looked into, and then known to be foreign, but for our own', async (t) => {
  const all = lives('other', 'own')
  t.strictSame(all.heard, ['other', 'own'])
  t.strictSame([all.has('other'), all.has('own')], [false, false], 'not before somebody has looked')
  all.learn(all.heard, 'own')
  t.strictSame([all.has('other'), all.has('own'), all.has('unheard of')], [true, false, false])
  t.strictSame(all.heard, [], 'and is not looked into once more')
})

t.test('a look says nothing of what was heard of after it began', async (t) => {
  const all = lives('other')
  const before = all.heard
  all.note('later')
  all.learn(before, 'own')
  t.strictSame([all.has('later'), all.heard], [false, ['later']])
})

t.test('when ours is another one, it may be any of those that were foreign', async (t) => {
  const all = lives('other', 'own')
  all.learn(all.heard, 'own')
  all.clear()
  t.equal(all.has('other'), false)
})

t.test('a server with any number of databases takes a bounded place, and is looked into again and again', async (t) => {
  const all = lives()
  for (let round = 0; round < 5; round++) {
    for (let i = 0; i < 1000; i++) all.note(`${round}-${i}`)
    t.equal(all.heard.length, MOST)
    all.learn(all.heard, undefined)
    t.strictSame(all.heard, [])
  }
  const known = Array.from({ length: 5000 }, (_, i) => all.has(`${Math.floor(i / 1000)}-${i % 1000}`)).filter((isKnown) => isKnown)
  t.equal(known.length, MOST)
})
