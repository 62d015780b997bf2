/** The example of an application team, examples/app: from the platform's outputs to rows of the database. */
import { strict as assert } from "node:assert";
import { join } from "node:path";
import { Stack } from "../../lab/drive/stack";
import { PROJECT } from "../../lab/layout";
import { eventually, kubectl, oneDatabase } from "./lab";

const NAME = "app-shop";
const PLATFORM = "organization/cnpg-teleport/app-platform";

describe("an application's stack that reads the platform's outputs", () => {
  const platform = new Stack("app-platform");
  const app = new Stack("app-team", { project: join(PROJECT, "examples", "app") });
  const settings = {
    platform: PLATFORM,
    database: NAME,
    image: "lab.local/postgresql:17",
    query: "SELECT item, amount FROM stock ORDER BY item",
    interval: 1,
  };

  before(async () => {
    platform.configure(oneDatabase(NAME));
    await platform.init();
    await platform.up();
    const primary = await kubectl("-n", NAME, "get", "cluster", NAME, "-o", "jsonpath={.status.currentPrimary}");
    await kubectl(
      ...["-n", NAME, "exec", primary, "-c", "postgres", "--", "psql", "--quiet", "--set=ON_ERROR_STOP=1", "app", "-c"],
      "SET ROLE app; CREATE TABLE stock (item text, amount int); INSERT INTO stock VALUES ('nails', 12), ('screws', 7)",
    );
    await app.init();
  });
  after(async () => {
    await app.destroy();
    await app.remove();
    await platform.destroy();
    await platform.remove();
  });

  it("tells a wrong database, and a namespace where the owner's Secret is not, before it makes anything", async () => {
    app.configure({ ...settings, database: "shop" });
    const wrongName = await app.pulumi(["preview"]);
    assert.notEqual(wrongName.code, 0);
    assert.match(wrongName.output, /database = shop: is not in .*app-platform\. Databases there: app-shop\./);

    app.configure({ ...settings, namespace: "default" });
    const wrongNamespace = await app.pulumi(["preview"]);
    assert.notEqual(wrongNamespace.code, 0);
    assert.match(wrongNamespace.output, /namespace = default: .* app-shop-app is in app-shop\./);
  });

  it("is up when its query works, and prints rows of the database", async () => {
    app.configure(settings);
    await app.up();
    const { namespace, deployment } = await app.outputs<{ namespace: string; deployment: string }>();
    assert.equal(namespace, NAME);
    const ready = await kubectl("-n", NAME, "get", "deployment", deployment, "-o", "jsonpath={.status.readyReplicas}");
    assert.equal(ready, "1");
    await eventually("rows of the database in the application's log", async () =>
      /^nails\|12\nscrews\|7$/m.test(await kubectl("-n", NAME, "logs", `deployment/${deployment}`)),
    );
  });

  it("finds nothing to do again, and has no password in its state", async () => {
    assert.deepEqual(Object.keys(await app.plannedChanges()), ["same"]);
    const encoded = await kubectl("-n", NAME, "get", "secret", `${NAME}-app`, "-o", "jsonpath={.data.password}");
    assert.ok(encoded.length > 20);
    const state = await app.state();
    assert.ok(!state.includes(encoded) && !state.includes(Buffer.from(encoded, "base64").toString()));
  });

  it("is not ready with a CA that did not sign the server's certificate: verify-full is meant", async () => {
    const { deployment } = await app.outputs<{ deployment: string }>();
    const pod = `deployment/${deployment}`;
    const query = ["psql", "--no-psqlrc", "--no-password", "-tAc", "SELECT 1"];
    const as = (variable: string) =>
      kubectl("-n", NAME, "exec", pod, "--", "env", variable, ...query).then(
        (rows) => rows.trim(),
        (error: Error) => error.message,
      );
    assert.equal(await as("PGAPPNAME=test"), "1");
    assert.match(await as("PGSSLROOTCERT=/etc/ssl/certs/ca-certificates.crt"), /certificate verify failed/);
    const address = await kubectl("-n", NAME, "get", "service", `${NAME}-rw`, "-o", "jsonpath={.spec.clusterIP}");
    assert.match(await as(`PGHOST=${address}`), /does not match host name|server certificate for/);
  });

  it("leaves nothing when it is destroyed", async () => {
    await app.destroy();
    const left = await kubectl("-n", NAME, "get", "deployment,replicaset,configmap", "-o", "name");
    assert.doesNotMatch(left, /\/(app|server-ca)-[0-9a-f]{8}/);
  });
});
