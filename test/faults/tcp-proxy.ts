/** A TCP proxy on loopback in front of a real server, whose line a test breaks, slows or stops. */
import { AddressInfo, createServer, Server, Socket, connect } from "node:net";

/**
 * What happens on the line.
 * - `pass`: all goes through.
 * - `refuse`: connections are reset, those that are open too: the server is down.
 * - `silent`: what is open stays open, new connections are taken, and nothing goes through any more.
 * - `unanswered`: the server gets what is sent to it, its answers are held back.
 */
export type Line = "pass" | "refuse" | "silent" | "unanswered";

interface Pair {
  client: Socket;
  server: Socket;
}

export class TcpProxy {
  /** Connections that were opened since it was made. */
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

  /** `host:port` that clients are given. */
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
