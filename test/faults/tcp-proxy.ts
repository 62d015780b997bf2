/** A TCP proxy on loopback in front of a real server. A test can break, slow or stop its connections. */
import { AddressInfo, createServer, Server, Socket, connect } from "node:net";

/**
 * How the proxy treats connections.
 * - `pass`: it passes everything.
 * - `refuse`: it resets all connections, including open ones, as if the server were down.
 * - `silent`: it keeps open connections and accepts new ones, but passes nothing.
 * - `unanswered`: it passes requests to the server, and holds back the answers.
 */
export type Line = "pass" | "refuse" | "silent" | "unanswered";

interface Pair {
  client: Socket;
  server: Socket;
}

export class TcpProxy {
  /** Number of connections since the start. */
  connections = 0;
  /** How long each piece of an answer is held back, in milliseconds. */
  delay = 0;
  private state: Line = "pass";
  private readonly pairs = new Set<Pair>();
  private readonly server: Server;

  private constructor(
    private readonly host: string,
    private readonly port: number,
  ) {
    this.server = createServer((client) => this.accept(client));
  }

  /** @param target `host:port` of the server; `port` of the proxy, default any that is free */
  static async open(target: string, port = 0): Promise<TcpProxy> {
    const [host = "", targetPort] = target.split(":");
    const proxy = new TcpProxy(host, Number(targetPort));
    await new Promise<void>((resolve, reject) => {
      proxy.server.once("error", reject);
      proxy.server.listen(port, "127.0.0.1", resolve);
    });
    return proxy;
  }

  /** `host:port` for clients. */
  get address(): string {
    return `127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  get line(): Line {
    return this.state;
  }

  set line(line: Line) {
    this.state = line;
    for (const { client, server } of this.pairs) {
      if (line === "refuse") [client, server].forEach((socket) => socket.resetAndDestroy());
      else this.flow(client, server);
    }
  }

  async close(): Promise<void> {
    this.line = "refuse";
    await new Promise((resolve) => this.server.close(resolve));
  }

  private accept(client: Socket): void {
    this.connections++;
    if (this.state === "refuse") return void client.resetAndDestroy();
    const server = connect(this.port, this.host);
    const pair = { client, server };
    this.pairs.add(pair);
    const end = () => {
      this.pairs.delete(pair);
      client.destroy();
      server.destroy();
    };
    for (const socket of [client, server]) socket.on("error", end).on("close", end);
    client.on("data", (data) => server.write(data));
    server.on("data", (data) =>
      this.delay > 0 ? setTimeout(() => client.writable && client.write(data), this.delay) : client.write(data),
    );
    this.flow(client, server);
  }

  private flow(client: Socket, server: Socket): void {
    if (this.state === "silent") client.pause();
    else client.resume();
    if (this.state === "pass") server.resume();
    else server.pause();
  }
}
