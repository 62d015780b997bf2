/** What can go wrong with a request over HTTP before there is an answer, by what the caller can do about it. */

export type RequestFailure =
  /** Nobody answers, or not in time: the only kind that is retried. */
  | "unreachable"
  /** Its certificate is not signed by a CA that is trusted here, has expired, or is of another host. */
  | "untrusted"
  /** The answer is larger than any that makes sense. */
  | "too-large"
  /** What was asked for cannot be sent, e.g. because a file with CAs cannot be read. */
  | "configuration";

/** A request that got no usable answer; the message says why, without a full stop. */
export class RequestError extends Error {
  constructor(
    readonly failure: RequestFailure,
    message: string,
  ) {
    super(message);
    this.name = "RequestError";
  }
}
