import { promisify } from 'node:util'
import { crc32, deflate } from 'node:zlib'

const SIGNATURE = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a])
const deflateAsync = promisify(deflate)

export interface IndexedImage {
  width: number
  height: number
  /** One palette index per pixel, row by row from the top. */
  pixels: Uint8Array
  /** Three bytes, red, green and blue, per colour; up to 256 colours. */
  palette: Uint8Array
}

/** Encodes an image of up to 256 colours as PNG (https://www.w3.org/TR/png/). */
export async function encodePng ({ width, height, pixels, palette }: IndexedImage): Promise<Buffer> {
  const header = Buffer.alloc(13)
  header.writeUInt32BE(width, 0)
  header.writeUInt32BE(height, 4)
  header[8] = 8 // bits per pixel
  header[9] = 3 // pixels are palette indexes

  // Each row starts with the number of its filter; 0 is none.
  const rows = Buffer.alloc((width + 1) * height)
  for (let y = 0; y < height; y++) rows.set(pixels.subarray(y * width, (y + 1) * width), y * (width + 1) + 1)

  return Buffer.concat([
    SIGNATURE, chunk('IHDR', header), chunk('PLTE', palette), chunk('IDAT', await deflateAsync(rows)), chunk('IEND', Buffer.alloc(0))
  ])
}

function chunk (type: string, data: Uint8Array): Buffer {
  const frame = Buffer.alloc(data.length + 12)
  frame.writeUInt32BE(data.length, 0)
  frame.write(type, 4, 'latin1')
  frame.set(data, 8)
  frame.writeUInt32BE(crc32(frame.subarray(4, data.length + 8)), data.length + 8)
  return frame
}
