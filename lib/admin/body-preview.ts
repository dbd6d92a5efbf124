/** The beginning of a body, as text where it is text. */
export interface BodyPreview {
  readonly encoding: 'utf8' | 'base64'
  readonly text: string
  /** Of the body that are in the preview. */
  readonly bytes: number
}

/** Control characters that texts do not have. */
// eslint-disable-next-line no-control-regex
const BINARY = /[\u0000-\u0008\u000e-\u001f]/

/** `body` may end in the middle of a character. */
export function previewOf (body: Buffer): BodyPreview {
  const text = textOf(body)
  return text === undefined
    ? { encoding: 'base64', text: body.toString('base64'), bytes: body.length }
    : { encoding: 'utf8', text, bytes: body.length }
}

function textOf (body: Buffer): string | undefined {
  try {
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(body, { stream: true })
    return BINARY.test(text) ? undefined : text
  } catch {
    return undefined // not UTF-8
  }
}
