/** Finds a free port. */
import { AddressInfo, createServer } from "node:net";

/** A free TCP port on loopback. Another process may take it before it is used; then the caller fails. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.on("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => resolve(port));
    });
  });
}
