/** `npm run --silent plan -- <stack>` prints the plan of a configuration. */
import { strict as assert } from "node:assert";
import { spawnSync } from "node:child_process";
import { join } from "node:path";

const ROOT = join(__dirname, "..", "..", "..");

function print(...parameters: string[]) {
  const { PATH, HOME } = process.env;
  const credentials = { VAULT_ADDR: "https://vault.example.com", VAULT_ROLE_ID: "role", VAULT_SECRET_ID: "id" };
  const script = ["-r", "ts-node/register/transpile-only", "config/print-plan.ts", ...parameters];
  return spawnSync(process.execPath, script, { cwd: ROOT, encoding: "utf8", env: { PATH, HOME, ...credentials } });
}

describe("the printed plan", () => {
  it("is JSON with the names of everything that `up` would create", () => {
    const { stdout, stderr, status } = print("dev");
    assert.equal(status, 0, stderr);
    const { databases } = JSON.parse(stdout) as { databases: { orders: { teleport: { primary: string }[] } } };
    assert.equal(databases.orders.teleport[0]?.primary, "orders-dev");
  });

  it("requires the name of a stack", () => {
    const { stderr, status } = print();
    assert.equal(status, 1);
    assert.equal(stderr, "The name of the stack is missing. Add it, e.g. npm run --silent plan -- dev.\n");
  });
});
