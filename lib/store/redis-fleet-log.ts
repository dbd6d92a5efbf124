import { goesAt, KEPT_MS, OTHER_ROUTES, UNIT_MS, type Bucket, type BucketNumbers, type FleetLog, type Told, type ToldOutcome, type Unit } from '../stats/fleet-log.ts'
import { decodeNumbers, encodeNumbers, type Numbers } from '../stats/numbers.ts'
import type { ConnectedRedis } from './redis-client.ts'
import type { MaybePromise } from './store.ts'

/*
 * The numbers of all processes: one hash for each minute, `<prefix>:stats:m:<minutes since the epoch>`, and for each hour, `…:stats:h:<hours>`.
 *
 *   field                     value
 *   <route>\n<namespace>      numbers, as in `stats/numbers.ts`
 *   invalidations             the same
 *   @<process>                the sequence of the last that this process has told to this hash
 *
 * All numbers of a route are one field, because a field for each would take almost five times the memory. What is damaged counts as nothing, and is
 * replaced by what is added next. Both are gone when the time to live is over; a hash that Redis has evicted begins anew.
 */

/** Processes and labels of a bucket. What is more is added to `OTHER_ROUTES`. */
const MOST_FIELDS = 10_000

/** Numbers that a double cannot count on from are damaged. */
const ADD_SCRIPT = `
local key, process, sequence, most, other = KEYS[1], ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[5]), ARGV[6]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local left = math.min(tonumber(ARGV[3]) - now, tonumber(ARGV[4]))
if left <= 0 then return 'late' end
local told = redis.pcall('HGET', key, process)
if type(told) == 'table' then
  if not string.find(told.err, 'WRONGTYPE') then return told end
  redis.call('DEL', key) -- nothing of ours
  told = false
end
local last = told and string.match(told, '^%d+$') and tonumber(told) or 0
if last >= sequence and last < 2 ^ 53 then return 'known' end
local isFull = redis.call('HLEN', key) >= most
if isFull and not told then return 'full' end
local function sum (there, coming)
  local names, sums = {}, {}
  for _, text in ipairs({ there, coming }) do
    for name, digits in string.gmatch(text, '([%w.-]+)=(%-?%d+)%f[%s%z]') do
      local number = tonumber(digits)
      if math.abs(number) < 2 ^ 53 then
        if not sums[name] then
          names[#names + 1] = name
          sums[name] = 0
        end
        sums[name] = sums[name] + number
      end
    end
  end
  for at, name in ipairs(names) do names[at] = name .. '=' .. string.format('%.0f', sums[name]) end
  return table.concat(names, ' ')
end
redis.call('HSET', key, process, ARGV[2])
for at = 7, #ARGV, 2 do
  local field = ARGV[at]
  local there = redis.call('HGET', key, field)
  if isFull and not there then
    field = other
    there = redis.call('HGET', key, field)
  end
  redis.call('HSET', key, field, sum(there or '', ARGV[at + 1]))
end
redis.call('PEXPIRE', key, left)
return 'added'
`

/** A script, because a Sentinel would send the read to any replica. Of its answers none is long. */
const READ_SCRIPT = `
local page = redis.pcall('HSCAN', KEYS[1], ARGV[1], 'COUNT', ARGV[2])
if page.err and string.find(page.err, 'WRONGTYPE') then return { '0', {} } end
return page
`
const PAGE = 500
/** A page has at least so many fields that no hash of ours needs more of them. */
const MOST_PAGES = 4 * MOST_FIELDS / PAGE

const NOW_SCRIPT = `
local time = redis.call('TIME')
return time[1] * 1000 + math.floor(time[2] / 1000)
`

const OUTCOMES: readonly unknown[] = ['added', 'known', 'late', 'full'] satisfies ToldOutcome[]
const LETTERS: Readonly<Record<Unit, string>> = { minute: 'm', hour: 'h' }
const PROCESS = /^@[\w-]{12}$/

export interface RedisFleetLogOptions {
  readonly open: () => MaybePromise<ConnectedRedis>
  readonly prefix: string
  /** Default: 10,000. */
  readonly mostFields?: number
}

export class RedisFleetLog implements FleetLog {
  readonly mostLabels = 1000
  readonly #open: () => MaybePromise<ConnectedRedis>
  readonly #prefix: string
  readonly #most: number

  constructor ({ open, prefix, mostFields = MOST_FIELDS }: RedisFleetLogOptions) {
    this.#open = open
    this.#prefix = prefix
    this.#most = mostFields
  }

  async now (): Promise<number> {
    // Any of the keys: it is not read, and says to a Cluster whom to ask.
    return soundTime(await this.#eval(NOW_SCRIPT, { unit: 'minute', number: 0 }, []))
  }

  async add (bucket: Bucket, { process, sequence, numbers }: Told): Promise<ToldOutcome> {
    const { unit } = bucket
    const outcome = await this.#eval(ADD_SCRIPT, bucket, [
      `@${process}`, String(sequence), String(goesAt(bucket)), String(KEPT_MS[unit] + UNIT_MS[unit]), String(this.#most), OTHER_ROUTES,
      ...[...numbers].flatMap(([label, own]) => [label, encodeNumbers(own)])
    ])
    if (!OUTCOMES.includes(outcome)) throw new TypeError('Redis answered with something else than what became of numbers')
    return outcome as ToldOutcome
  }

  async read (bucket: Bucket): Promise<BucketNumbers> {
    const numbers = new Map<string, Numbers>()
    const processes = new Set<string>()
    let cursor = '0'
    for (let page = 0; page < MOST_PAGES; page++) {
      const [next, found] = await this.#eval(READ_SCRIPT, bucket, [cursor, String(PAGE)]) as [unknown, unknown[]]
      for (let at = 0; at + 1 < found.length; at += 2) {
        const field = String(found[at])
        if (PROCESS.test(field)) processes.add(field.slice(1))
        else numbers.set(field, decodeNumbers(String(found[at + 1])))
      }
      cursor = String(next)
      if (cursor === '0') break
    }
    return { processes: [...processes], numbers }
  }

  async #eval (script: string, { unit, number }: Bucket, args: string[]): Promise<unknown> {
    return await (await this.#open()).eval(script, { keys: [`${this.#prefix}:stats:${LETTERS[unit]}:${number}`], arguments: args })
  }
}

function soundTime (answer: unknown): number {
  const now = Number(answer)
  if (!(Number.isSafeInteger(now) && now > 0)) throw new TypeError('Redis answered with something else than the time')
  return now
}
