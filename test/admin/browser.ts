import type { Browser, BrowserContext, Page } from 'playwright-core'
import type { Test } from 'tap'
import { findOnPath } from '../helpers/find-on-path.ts'

const BROWSER = findOnPath(['chromium', 'chromium-browser', 'google-chrome'])

/** Why no page can be driven here, or `undefined`. */
export async function whyNoBrowser (): Promise<string | undefined> {
  if (BROWSER === undefined) return 'there is no Chromium on the PATH: apt-get install chromium'
  return await import('playwright-core').then(() => undefined, () => 'there is no playwright-core: npm install --no-save playwright-core')
}

/** A Chromium that ends with `t`. */
export async function openBrowser (t: Test): Promise<Browser> {
  const { chromium } = await import('playwright-core')
  const browser = await chromium.launch({ executablePath: BROWSER!, args: ['--no-sandbox', '--disable-dev-shm-usage'] })
  t.teardown(() => browser.close())
  return browser
}

export interface Watched {
  readonly page: Page
  /** What the console and the policy of the page complained of. */
  readonly complaints: string[]
}

/** A page whose complaints are collected. */
export async function openPage (context: Browser | BrowserContext): Promise<Watched> {
  const page = await context.newPage()
  const complaints: string[] = []
  page.on('console', (message) => { if (message.type() === 'error' || message.type() === 'warning') complaints.push(message.text()) })
  page.on('pageerror', (error) => { complaints.push(String(error)) })
  return { page, complaints }
}
