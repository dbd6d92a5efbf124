interface Flight<T> {
  readonly result: Promise<T>
  /** Whether who asks now may have the result. */
  readonly mayBeJoined: () => boolean
}

/** One producer per key in this process; whoever asks meanwhile waits for its result. */
export class SingleFlight<T> {
  readonly #flights = new Map<string, Flight<T>>()

  /** `produce` learns whether its flight was forgotten or replaced meanwhile, so that it does not store what is outdated. */
  async run (key: string, produce: (isCurrent: () => boolean) => Promise<T>, mayBeJoined = (): boolean => true): Promise<T> {
    const running = this.#flights.get(key)
    if (running?.mayBeJoined() === true) return await running.result
    const isCurrent = (): boolean => this.#flights.get(key) === flight
    const result = Promise.resolve().then(() => produce(isCurrent)).finally(() => {
      if (isCurrent()) this.#flights.delete(key)
    })
    const flight: Flight<T> = { result, mayBeJoined }
    this.#flights.set(key, flight)
    return await result
  }

  /** Those who ask from now on do not get the result of the running producer. */
  forget (key: string): void {
    this.#flights.delete(key)
  }

  forgetWhere (matches: (key: string) => boolean): void {
    for (const key of this.#flights.keys()) if (matches(key)) this.#flights.delete(key)
  }
}
