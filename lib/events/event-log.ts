/** An event as it lies in the log. */
export interface EventMessage {
  /** Its place in the log. */
  readonly id: string
  /** `{"event":"…","data":…}` as it was written by whoever wrote it; undefined when there is no such text. */
  readonly json: string | undefined
}

/** Who follows a log. */
export interface EventListener {
  /**
   * Takes messages that lie one after another, none left out but those this process has appended itself. They count as handled when
   * the promise resolves, and come again when it rejects.
   */
  onMessages (messages: readonly EventMessage[]): Promise<void>
  /** Messages may have been lost, and nobody can say which. The log is followed on from its present end when the promise resolves. */
  onGap (): Promise<void>
  /** The log cannot be read; called once until it can. What comes meanwhile is given later. */
  onLost (fault: unknown): void
  /** The log is read: for the first time, or again. */
  onFollowing (): void
}

export interface Following {
  /** Resolves once everything that is appended from now on will be given, or when it is closed. Never rejects. */
  readonly ready: Promise<void>
  /** Ends it, also in the middle of a message. Never rejects. */
  close (): Promise<void>
}

/** Events that processes tell each other. */
export interface EventLog {
  /** Writes a message that this process has handled already. Rejects when it is not confirmed. */
  append (json: string): void | Promise<void>
  /** Gives every message that others append from now on, at least once. */
  follow (listener: EventListener): Following
}

/** For a store that only this process uses: there is nobody else to tell. */
export class LocalEventLog implements EventLog {
  append (): void {}

  follow (): Following {
    return { ready: Promise.resolve(), async close () {} }
  }
}
