const REPEATED = /,? with args beginning with:.*/s

/** A server that does not know a command repeats what it was sent, `AUTH` and the password among it. What is told of the fault leaves that out. */
export function withoutArguments (fault: unknown): unknown {
  if (!(fault instanceof Error) || !REPEATED.test(fault.message)) return fault
  const whole = fault.message
  fault.message = whole.replace(REPEATED, '')
  fault.stack = fault.stack?.replace(whole, () => fault.message)
  return fault
}
