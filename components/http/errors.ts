/** Failures of a request over HTTP that got no usable answer, by what the caller can do about them. */

export type RequestFailure =
  /** No server answers, or not in time. Only this kind is retried. */
  | "unreachable"
  /** The server's certificate is not signed by a CA that is trusted here, has expired, or belongs to another host. */
  | "untrusted"
  /** The answer is larger than the limit. */
  | "too-large"
  /** The request cannot be sent, e.g. because a file of CAs cannot be read. */
  | "configuration";

/** A request that got no usable answer. The message gives the reason, without a full stop. */
export class RequestError extends Error {
  constructor(
    readonly failure: RequestFailure,
    message: string,
  ) {
    super(message);
    this.name = "RequestError";
  }
}
