/** Connections through a proxy. Each connection serves one request and is not kept. */
import { request as httpRequest } from "node:http";
import { request as httpsRequest } from "node:https";
import { isIP, Socket } from "node:net";
import { SocksProxyAgent } from "socks-proxy-agent";
import { RequestError } from "./errors";
import { Proxy, describeProxy } from "./proxy";

/** Opens a connection to `host:port` through a proxy, by CONNECT. @throws RequestError if the proxy does not open it */
export function tunnel(proxy: Proxy, target: string, cas: readonly string[], signal: AbortSignal): Promise<Socket> {
  const { url } = proxy;
  const options = {
    method: "CONNECT",
    host: url.hostname.replace(/^\[|\]$/g, ""),
    port: url.port || (url.protocol === "https:" ? 443 : 80),
    path: target,
    headers: { host: target, ...proxyAuthorization(url) },
    agent: false,
    signal,
  };
  const failed = (why: string) => new RequestError("unreachable", `the proxy of ${describeProxy(proxy)} ${why}`);
  return new Promise((resolve, reject) => {
    const call = url.protocol === "https:" ? httpsRequest({ ...options, ca: [...cas] }) : httpRequest(options);
    call.on("error", (error: NodeJS.ErrnoException) =>
      reject(failed(`cannot be reached: ${error.message || (error.code ?? "the connection failed")}`)),
    );
    call.on("connect", ({ statusCode, statusMessage }, socket) => {
      if (statusCode === 200) return resolve(socket);
      socket.destroy();
      reject(failed(`does not connect to ${target}: it answers ${statusCode} ${statusMessage}`));
    });
    // A normal response instead of a tunnel.
    call.on("response", ({ statusCode }) => {
      call.destroy();
      reject(failed(`does not connect to ${target}: it answers ${statusCode}`));
    });
    call.end();
  });
}

/** User and password of a proxy's URL, as a header. */
export function proxyAuthorization({ username, password }: URL): Record<string, string> {
  if (username === "" && password === "") return {};
  const credentials = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  return { "proxy-authorization": `Basic ${Buffer.from(credentials).toString("base64")}` };
}

/** An agent for a SOCKS proxy. */
export function socksAgent({ url }: Proxy): SocksProxyAgent {
  return new SocksProxyAgent(url);
}

export function isSocks({ url }: Proxy): boolean {
  return /^socks[45]?[ah]?:$/.test(url.protocol);
}

/** The server name for TLS; undefined for an IP address. */
export function serverName(host: string): string | undefined {
  return isIP(host) === 0 ? host : undefined;
}
