/**
 * What the tests here need from the network, which the lab has none of: the former operator of operator-upgrade.test.ts. It
 * stays in the cache.
 */
import { findOrBuild } from "../../../lab/build/tools";
import { FORMER_OPERATOR } from "../../../lab/versions";

findOrBuild([FORMER_OPERATOR]).catch((error: Error) => {
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 1;
});
