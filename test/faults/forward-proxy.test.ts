/** A machine that reaches Kubernetes, Vault and Teleport only through a forward proxy, which HTTPS_PROXY names. */
import { strict as assert } from "node:assert";
import { Stack } from "../../lab/drive/stack";
import { oneDatabase, PROXY, vaultIssuer } from "../lab/lab";
import { ConnectProxy } from "../unit/http/connect-proxy";
import { apiServer, ownKubeconfig, OwnKubeconfig } from "./lab-kubeconfig";

const NAME = "fp-proxied";
/** No resolver knows this name, so only the proxy can reach it. */
const HIDDEN = "kubernetes.invalid";

describe("a forward proxy", () => {
  const [host = "", port = ""] = apiServer().split(":");
  const stack = new Stack(NAME);
  let proxy: ConnectProxy, kubeconfig: OwnKubeconfig;
  before(async () => {
    proxy = await ConnectProxy.start((asked) => (asked === HIDDEN ? host : asked));
    kubeconfig = ownKubeconfig({ address: `${HIDDEN}:${port}` });
    await stack.init();
  });
  const through = () => ({
    env: { HTTPS_PROXY: proxy.url, NO_PROXY: "", no_proxy: "", KUBECONFIG: kubeconfig.path },
  });
  after(async () => {
    await stack.pulumi(["destroy", "--yes", "--skip-preview"], through());
    await stack.remove();
    await proxy.close();
    kubeconfig.remove();
  });

  it("that refuses is reported with the name of its variable", async () => {
    stack.configure(oneDatabase(NAME));
    proxy.refuses = 403;
    const { code, output } = await stack.pulumi(["up", "--yes", "--skip-preview"], through());
    proxy.refuses = undefined;
    assert.notEqual(code, 0, output);
    assert.match(output, /Kubernetes API at .* does not answer through the proxy of HTTPS_PROXY=http:/);
  });

  it("carries an `up` to Kubernetes with its commands in pods, to Vault and to Teleport", async () => {
    const teleport = { proxy: PROXY, clientCas: [{ from: "proxy" }] };
    stack.configure(oneDatabase(NAME, { issuer: vaultIssuer, teleport }));
    await stack.up(through());
    const vault = new URL(process.env.VAULT_ADDR ?? "").host;
    for (const server of [`${HIDDEN}:${port}`, vault, PROXY]) assert.ok(proxy.asked.includes(server), server);
  });
});
