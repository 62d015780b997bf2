// Loaded before Pulumi's programs in the lab (NODE_OPTIONS). ts-node compiles every file again in each process, which
// is three quarters of the CPU time of a short `pulumi` run. This script caches the results by content for later
// processes. CNPG_TELEPORT_TRANSPILED names the folder, which `lab down --purge` removes. It is used only if ts-node
// does not check types (PULUMI_NODEJS_TRANSPILE_ONLY). Stack traces then show lines of the compiled code.
"use strict";
const { createHash } = require("node:crypto");
const { mkdirSync, readFileSync, renameSync, writeFileSync } = require("node:fs");
const { join } = require("node:path");

const folder = process.env.CNPG_TELEPORT_TRANSPILED;
/** Where ts-node registers its service: https://typestrong.org/ts-node/api/index.html#REGISTER_INSTANCE */
const REGISTERED = Symbol.for("ts-node.register.instance");

/** Writes the file atomically, since other processes may read it. If it cannot be cached, it is compiled again. */
function keep(file, output) {
  try {
    mkdirSync(folder, { recursive: true });
    writeFileSync(`${file}.${process.pid}`, output);
    renameSync(`${file}.${process.pid}`, file);
  } catch (error) {
    console.error(`${file} could not be cached: ${error.message}`);
  }
}

let registered;
if (folder)
  Object.defineProperty(process, REGISTERED, {
    get: () => registered,
    set(service) {
      registered = service;
      const { compile, config, options, ts } = service;
      if (!options.transpileOnly) return;
      service.compile = (code, file, line) => {
        const made = JSON.stringify([ts.version, config.options, file, line, code]);
        const kept = join(folder, createHash("sha256").update(made).digest("hex"));
        try {
          return readFileSync(kept, "utf8");
        } catch {
          const output = compile(code, file, line);
          keep(kept, output);
          return output;
        }
      };
    },
  });
