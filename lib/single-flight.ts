/** One producer per key in this process; whoever asks meanwhile waits for its result. */
export class SingleFlight<T> {
  readonly #flights = new Map<string, Promise<T>>()

  /** `produce` learns whether its flight was forgotten meanwhile, so that it does not store what is outdated. */
  async run (key: string, produce: (isCurrent: () => boolean) => Promise<T>): Promise<T> {
    const running = this.#flights.get(key)
    if (running !== undefined) return await running
    const isCurrent = (): boolean => this.#flights.get(key) === flight
    const flight: Promise<T> = Promise.resolve().then(() => produce(isCurrent)).finally(() => {
      if (isCurrent()) this.#flights.delete(key)
    })
    this.#flights.set(key, flight)
    return await flight
  }

  /** Those who ask from now on do not get the result of the running producer. */
  forget (key: string): void {
    this.#flights.delete(key)
  }
}
