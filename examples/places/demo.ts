// npm run demo              every endpoint of the places, cold and warm
// npm run demo -- --herd    many requests at one moment, with protection and without
import { parseArgs } from 'node:util'

const { values: { herd } } = parseArgs({ options: { herd: { type: 'boolean', default: false } } })
if (herd) await import('../herd/show-herd.ts')
else await import('./show-tour.ts')
