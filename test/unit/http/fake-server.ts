/** A local server with a test's answers, which records its requests. */
import { createServer as createHttpServer, IncomingMessage, Server, ServerResponse } from "node:http";
import { createServer as createHttpsServer } from "node:https";
import { AddressInfo } from "node:net";
import type { Certificate } from "../certificates/openssl";

export interface FakeAnswer {
  status?: number;
  headers?: Record<string, string>;
  text?: string;
  /** Does not answer. */
  silent?: boolean;
}

export interface Asked {
  method: string;
  path: string;
  headers: IncomingMessage["headers"];
  body: string;
}

export class FakeServer {
  readonly asked: Asked[] = [];
  private constructor(
    private readonly server: Server,
    private readonly scheme: string,
  ) {}

  /** `host:port`, also after the server is closed. */
  host = "";

  /** @param identity certificate for `localhost`; without one, the server speaks plain HTTP */
  static async start(answer: (asked: Asked, count: number) => FakeAnswer, identity?: Certificate): Promise<FakeServer> {
    const listener = (request: IncomingMessage, response: ServerResponse) => {
      let body = "";
      request.setEncoding("utf8").on("data", (part: string) => (body += part));
      request.on("end", () => {
        const asked = { method: request.method ?? "", path: request.url ?? "", headers: request.headers, body };
        fake.asked.push(asked);
        const { status = 200, headers = {}, text = "", silent } = answer(asked, fake.asked.length);
        if (!silent) response.writeHead(status, headers).end(text);
      });
    };
    const server = identity
      ? createHttpsServer({ cert: identity.pem, key: identity.key }, listener)
      : createHttpServer(listener);
    const fake: FakeServer = new FakeServer(server, identity ? "https" : "http");
    await new Promise<void>((resolve) => server.listen(0, "localhost", resolve));
    fake.host = `localhost:${(server.address() as AddressInfo).port}`;
    return fake;
  }

  get url(): string {
    return `${this.scheme}://${this.host}`;
  }

  async close(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }
}
