import { styleText } from 'node:util'
import type { Io, Written } from './io.ts'

export type Mood = 'strong' | 'faint' | 'good' | 'doubtful' | 'bad'
export type Style = (mood: Mood, text: string) => string

const FORMATS = { strong: 'bold', faint: 'dim', good: 'green', doubtful: 'yellow', bad: 'red' } as const satisfies Record<Mood, Parameters<typeof styleText>[0]>

/** Whether it is a terminal that knows more than lines. */
export function isDrawable ({ isTTY }: Written, { TERM }: Io['env']): boolean {
  return isTTY === true && TERM !== 'dumb'
}

/** Colours for terminals that want them (`NO_COLOR`, `FORCE_COLOR`, `TERM=dumb`); plain text anywhere else. */
export function styleFor (stream: Written, env: Io['env']): Style {
  const { NO_COLOR, FORCE_COLOR } = env
  const isForced = FORCE_COLOR !== undefined && FORCE_COLOR !== '' && FORCE_COLOR !== '0'
  const isWanted = (NO_COLOR === undefined || NO_COLOR === '') && FORCE_COLOR !== '0' && (isForced || isDrawable(stream, env))
  return isWanted ? (mood, text) => styleText(FORMATS[mood], text, { validateStream: false }) : (_mood, text) => text
}
