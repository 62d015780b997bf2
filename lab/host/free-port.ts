/** A port that nobody listens at. */
import { AddressInfo, createServer } from "node:net";

/** A free TCP port of loopback. Somebody else may take it before it is used: let the user of it fail then. */
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
