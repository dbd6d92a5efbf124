import { inTime } from '../../deadline.ts'

const CLOSE_MS = 2000

/** Ends a client. One of Sentinels waits until one of them answers, also in order to end: it is not waited for longer than this. Never rejects. */
export async function closed (client: { close (): Promise<void> }): Promise<void> {
  await inTime(CLOSE_MS, client.close()).catch(() => {})
}
