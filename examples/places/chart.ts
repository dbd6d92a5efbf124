import { encodePng } from './png.ts'

/** The people of one cell of the grid that covers a country. */
export interface Cell {
  x: number
  y: number
  population: number
}

// From the background through red and yellow to white.
const STOPS = [[13, 17, 38], [72, 24, 84], [176, 42, 72], [239, 118, 51], [251, 209, 92], [255, 255, 240]]
const GLOW_RADIUS = 3

/** Draws a population heat map: brightness grows with the logarithm of the people in and around a pixel. */
export async function drawHeatMap (cells: Cell[], width: number, height: number): Promise<Buffer> {
  const heat = new Float64Array(width * height)
  for (const cell of cells) addGlow(heat, cell, width, height)

  const hottest = Math.log1p(heat.reduce((highest, value) => Math.max(highest, value), 0))
  const pixels = new Uint8Array(heat.length)
  if (hottest > 0) heat.forEach((value, index) => { pixels[index] = Math.round(255 * Math.log1p(value) / hottest) })
  return encodePng({ width, height, pixels, palette: ramp() })
}

function addGlow (heat: Float64Array, { x, y, population }: Cell, width: number, height: number): void {
  for (let dy = -GLOW_RADIUS; dy <= GLOW_RADIUS; dy++) {
    for (let dx = -GLOW_RADIUS; dx <= GLOW_RADIUS; dx++) {
      const column = x + dx
      const row = y + dy
      if (column < 0 || column >= width || row < 0 || row >= height) continue
      const index = row * width + column
      heat[index] = (heat[index] ?? 0) + population * Math.exp(-(dx * dx + dy * dy))
    }
  }
}

function ramp (): Uint8Array {
  const palette = new Uint8Array(256 * 3)
  for (let index = 0; index < 256; index++) {
    const position = index / 255 * (STOPS.length - 1)
    const from = STOPS[Math.floor(position)] ?? []
    const to = STOPS[Math.ceil(position)] ?? from
    const part = position % 1
    for (let channel = 0; channel < 3; channel++) {
      palette[index * 3 + channel] = Math.round((from[channel] ?? 0) * (1 - part) + (to[channel] ?? 0) * part)
    }
  }
  return palette
}
