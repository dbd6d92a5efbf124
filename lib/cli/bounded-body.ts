/** What a stream gives, or an error when that is more than anybody should send. */
export async function bytesOf (stream: AsyncIterable<Uint8Array> | Iterable<Uint8Array>, most: number): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  let length = 0
  for await (const chunk of stream) {
    length += chunk.byteLength
    if (length > most) throw new RangeError(`it is larger than ${most} bytes`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}
