/**
 * A gateway in front of the lab's Kubernetes API or Vault that holds back the requests that a test names. The run
 * stops at that step, and all earlier steps are done.
 */
import { readFileSync } from "node:fs";
import { createServer, IncomingMessage, Server, ServerResponse } from "node:http";
import { request, RequestOptions } from "node:https";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import { eventually } from "../lab/lab";
import { WebSocketFrames } from "./web-socket-frames";

/**
 * A step at which a run stops. A request is named `PUT /v1/path`, a script in a pod `SQL in app: text`. A dry run changes
 * nothing, so it is no step.
 */
export interface Moment {
  /** Before the server gets the request, or after the server has processed it and its answer is held back. */
  when: "before" | "after";
  what: RegExp;
}

/** Channels of a command in a pod: https://kubernetes.io/docs/reference/using-api/api-concepts/ (v4.channel.k8s.io). */
const STDIN = 0;
const STATUS = 3;

export class StoppingGateway {
  private moments: Moment[] = [];
  private readonly reached = new Set<Moment>();
  /** All requests, for the message of a test that waits in vain. */
  private readonly asked: string[] = [];
  private readonly held = new Set<Duplex>();
  private readonly server: Server;

  private constructor(private readonly upstream: RequestOptions) {
    this.server = createServer((incoming, answer) => this.pass(incoming, answer));
    this.server.on("upgrade", (incoming, socket) => this.passCommand(incoming, socket));
  }

  /**
   * Listens without TLS on loopback.
   *
   * @param url of the server; `ca` the file of its CA; `token` the authorization of all requests
   */
  static async open(url: string, { ca, token }: { ca: string; token?: string }): Promise<StoppingGateway> {
    const { hostname, port } = new URL(url);
    const headers = token === undefined ? undefined : { authorization: `Bearer ${token}` };
    const gateway = new StoppingGateway({ hostname, port, ca: readFileSync(ca), headers });
    await new Promise<void>((resolve, reject) => {
      gateway.server.once("error", reject).listen(0, "127.0.0.1", resolve);
    });
    return gateway;
  }

  /** `http://host:port` */
  get address(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  stopAt(moments: Moment[]): void {
    this.moments = moments;
    this.reached.clear();
    this.asked.length = 0;
  }

  /** Resolves when all steps are reached. @throws Error if the run ended earlier */
  async untilStopped(ended: Promise<unknown>): Promise<void> {
    let over = false;
    void ended.finally(() => (over = true));
    const missing = () => this.moments.filter((moment) => !this.reached.has(moment));
    await eventually("the run stands still", async () => over || missing().length === 0, 240_000);
    if (missing().length === 0) return;
    const names = missing().map(({ when, what }) => `${when} ${what}`);
    throw new Error(`the run ended without ${names.join(", ")}; it asked:\n${this.asked.join("\n")}`);
  }

  /** Drops held requests, and passes all later ones. */
  goOn(): void {
    this.moments = [];
    for (const socket of this.held) socket.destroy();
    this.held.clear();
  }

  async close(): Promise<void> {
    this.goOn();
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }

  private momentOf(what: string, when: Moment["when"]): Moment | undefined {
    return this.moments.find((moment) => moment.when === when && moment.what.test(what));
  }

  private hold(moment: Moment, socket: Duplex): void {
    this.held.add(socket);
    this.reached.add(moment);
  }

  private optionsOf({ method, url, headers }: IncomingMessage): RequestOptions {
    const { host: _, ...rest } = headers;
    return { ...this.upstream, method, path: url, headers: { ...rest, ...this.upstream.headers } };
  }

  private pass(incoming: IncomingMessage, answer: ServerResponse): void {
    const what = `${incoming.method} ${incoming.url}`;
    if (incoming.method !== "GET") this.asked.push(what);
    const isStep = !new URL(incoming.url ?? "", "http://server").searchParams.has("dryRun");
    const before = isStep && this.momentOf(what, "before");
    if (before) return this.hold(before, incoming.socket);
    const call = request(this.optionsOf(incoming), (answered) => {
      const after = isStep && this.momentOf(what, "after");
      if (after) return void answered.resume().on("end", () => this.hold(after, incoming.socket));
      answer.writeHead(answered.statusCode ?? 502, answered.headers);
      answered.pipe(answer);
    });
    call.on("error", () => incoming.socket.destroy());
    answer.on("close", () => call.destroy());
    incoming.pipe(call);
  }

  /** A command in a pod: psql, which reads its script from standard input. */
  private passCommand(incoming: IncomingMessage, client: Duplex): void {
    const database = /PGDATABASE%3D([^&]*)/.exec(incoming.url ?? "")?.[1] ?? "?";
    let script = "";
    let after: Moment | undefined;
    const call = request(this.optionsOf(incoming));
    call.on("error", () => client.destroy());
    call.on("response", () => client.destroy());
    call.on("upgrade", (answered, server) => {
      const headers = Object.entries(answered.headers).map(([name, value]) => `${name}: ${String(value)}`);
      client.write(["HTTP/1.1 101 Switching Protocols", ...headers, "", ""].join("\r\n"));
      const sent = new WebSocketFrames((payload) => {
        if (payload[0] === STDIN) script += payload.subarray(1).toString();
      });
      const answers = new WebSocketFrames((payload) => {
        if (after && payload[0] === STATUS) this.hold(after, client);
      });
      client.on("data", (data: Buffer) => {
        sent.push(data);
        const what = `SQL in ${database}: ${script}`;
        if (script.endsWith("\\q\n")) this.asked.push(what.slice(0, 4_000));
        const before = this.momentOf(what, "before");
        if (before) return this.hold(before, client);
        after ??= this.momentOf(what, "after");
        server.write(data);
      });
      server.on("data", (data: Buffer) => {
        answers.push(data);
        if (!after) client.write(data);
      });
      const end = () => [client, server].forEach((socket) => socket.destroy());
      for (const socket of [client, server]) socket.on("error", end).on("close", end);
    });
    call.end();
  }
}
