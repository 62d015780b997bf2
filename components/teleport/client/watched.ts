/** A client that remembers whether a failed write may have been carried out. */
import { TeleportError } from "./errors";
import type { TeleportClient } from "./tctl";

export interface WatchedClient {
  readonly client: TeleportClient;
  /** Whether a write was sent whose result is unknown. */
  mayBeWritten: boolean;
}

/** Wraps a client and watches its writes. */
export function watch(teleport: TeleportClient): WatchedClient {
  const watching = <Arguments extends unknown[], Result>(write: (...args: Arguments) => Promise<Result>) => {
    return async (...args: Arguments) => {
      try {
        return await write(...args);
      } catch (error) {
        if (error instanceof TeleportError) watched.mayBeWritten ||= error.mayBeDone;
        throw error;
      }
    };
  };
  const client = { ...teleport, create: watching(teleport.create), overwrite: watching(teleport.overwrite) };
  const watched = { client, mayBeWritten: false };
  return watched;
}
