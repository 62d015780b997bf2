/**
 * Requests to the lab's Vault through its Unix socket, which is reachable from the machine. The lab's network is not.
 */
import { request } from "node:http";
import { RUN } from "../layout";

const LIMIT_MS = 30_000;

/** An error that Vault returned. */
export class VaultError extends Error {
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
  }
}

/** Resolves to the answer; undefined if Vault answers 404 or with an empty body. */
export function vaultRequest<Answer = Record<string, unknown>>(
  method: "GET" | "PUT" | "POST",
  path: string,
  body?: unknown,
  token?: string,
): Promise<Answer | undefined> {
  return new Promise((resolve, reject) => {
    const headers = { "content-type": "application/json", ...(token && { "x-vault-token": token }) };
    const call = request(
      { socketPath: RUN.vaultSocket, method, path: `/v1/${path}`, headers, timeout: LIMIT_MS },
      (answer) => {
        let text = "";
        answer.setEncoding("utf8").on("data", (part: string) => (text += part));
        answer.on("end", () => {
          const status = answer.statusCode ?? 0;
          if (status === 404) return resolve(undefined);
          if (status >= 300)
            return reject(new VaultError(status, `Vault, ${method} ${path}: ${status} ${text.trim()}`));
          resolve(text ? (JSON.parse(text) as Answer) : undefined);
        });
      },
    );
    call.on("timeout", () => call.destroy(new Error(`Vault did not answer within ${LIMIT_MS / 1000} s`)));
    call.on("error", reject);
    call.end(body === undefined ? undefined : JSON.stringify(body));
  });
}
