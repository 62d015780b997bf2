/** A local proxy that opens tunnels by CONNECT. A test chooses which hosts its names resolve to. */
import { createServer, IncomingMessage, request, Server } from "node:http";
import { AddressInfo, connect, Socket } from "node:net";

export class ConnectProxy {
  /** The requests: `host:port` of tunnels, URLs of requests over HTTP. */
  readonly asked: string[] = [];
  /** The header `proxy-authorization` of each request. */
  readonly authorizations: (string | undefined)[] = [];
  /** Status with which it refuses; 0: it does not answer. */
  refuses: number | undefined;
  private readonly sockets = new Set<Socket>();

  private constructor(private readonly server: Server) {}

  /** @param resolve resolves a host name; default: all names are this machine */
  static async start(resolve: (host: string) => string = () => "localhost"): Promise<ConnectProxy> {
    const server = createServer();
    const proxy = new ConnectProxy(server);
    server.on("connection", (socket) => proxy.keep(socket));
    server.on("connect", (asked: IncomingMessage, client: Socket, head: Buffer) => {
      proxy.note(asked);
      if (proxy.refuses === 0) return;
      if (proxy.refuses !== undefined) return void client.end(`HTTP/1.1 ${proxy.refuses} No\r\n\r\n`);
      const { hostname, port } = new URL(`tcp://${asked.url}`);
      const target = proxy.keep(connect(Number(port), resolve(hostname)));
      target.on("connect", () => {
        client.write("HTTP/1.1 200 Connection established\r\n\r\n");
        if (head.length > 0) target.write(head);
        client.pipe(target).pipe(client);
      });
      target.on("error", () => client.destroy());
      client.on("error", () => target.destroy());
    });
    server.on("request", (asked: IncomingMessage, answer) => {
      proxy.note(asked);
      const { port, pathname } = new URL(asked.url ?? "");
      const headers = { host: asked.headers.host };
      const forwarded = request({ host: "localhost", port, path: pathname, method: asked.method, headers });
      forwarded.on("response", (response) => {
        answer.writeHead(response.statusCode ?? 0);
        response.pipe(answer);
      });
      asked.pipe(forwarded);
    });
    await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
    return proxy;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  async close(): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    await new Promise((closed) => this.server.close(closed));
  }

  private note({ url = "", headers }: IncomingMessage): void {
    this.asked.push(url);
    this.authorizations.push(headers["proxy-authorization"]);
  }

  private keep(socket: Socket): Socket {
    this.sockets.add(socket);
    return socket.on("close", () => this.sockets.delete(socket));
  }
}
