/** `up` with nothing to do, on a database with many tables and users, and one query over the same catalog. */
import { run } from "../../lab/host/command";
import { Bench, seconds } from "../bench";
import { namesOf } from "../labels";
import { LIMIT_MS, newStack, pulumi, TEMPORARY } from "../place";
import { peakMemory } from "../processes";
import { running } from "../settings";
import { upWithoutChanges } from "./databases";

const [NAME = ""] = namesOf("ours", 1);
const OBJECTS = 100_000;
const USERS = Array.from({ length: 10 }, (_, index) => ({ name: `user_${index}`, access: "read" }));

/** Each transaction locks its tables, and PostgreSQL has room for some thousand locks. */
const CREATE_TABLES = `DO $$ BEGIN
  FOR i IN 1..${OBJECTS} LOOP
    EXECUTE format('CREATE TABLE public.table_%s (id int)', i);
    IF i % 500 = 0 THEN COMMIT; END IF;
  END LOOP;
END $$`;
/** Every right of every user on every table. */
const CATALOG_QUERY = `SELECT count(*) FROM pg_class c, aclexplode(c.relacl) a
  JOIN pg_roles r ON r.oid = a.grantee WHERE rolname LIKE 'user\\_%' AND relname LIKE 'table\\_%'`;

export async function grants(bench: Bench): Promise<void> {
  const stack = await newStack();
  stack.configure(running(NAME, { instances: 1, users: USERS }));
  await pulumi(stack, "up", "--yes", "--skip-preview");
  await sql("SET ROLE app", CREATE_TABLES);
  await pulumi(stack, "up", "--yes", "--skip-preview"); // grants rights to what was created
  const query = async () => {
    const found = Number(await sql(CATALOG_QUERY));
    if (found < OBJECTS * USERS.length) throw new Error(`The catalog has only ${found} rights of the users.`);
  };
  await bench.rounds(async () => {
    await bench.measure("grants", {
      ours: () => seconds(() => upWithoutChanges(stack)),
      baseline: () => seconds(query),
    });
    if (bench.wants("grantsMemory"))
      await bench.measure("grantsMemory", { ours: () => peakMemory(TEMPORARY, () => upWithoutChanges(stack)) });
  });
}

/** Runs statements as PostgreSQL's superuser in the primary, each as a transaction of its own. */
async function sql(...statements: string[]): Promise<string> {
  const path = "-o=jsonpath={.status.currentPrimary}";
  const primary = await run("kubectl", ["-n", NAME, "get", "cluster", NAME, path]);
  const psql = ["psql", "--quiet", "--tuples-only", "--no-align", "--set=ON_ERROR_STOP=1", "-d", "app"];
  const commands = statements.flatMap((statement) => ["-c", statement]);
  const inPod = ["-n", NAME, "exec", primary, "-c", "postgres", "--"];
  return run("kubectl", [...inPod, ...psql, ...commands], { limit: LIMIT_MS });
}
