// Loaded before Pulumi's programs in the lab (NODE_OPTIONS). ts-node compiles every file anew in each process, which is
// three quarters of what a short `pulumi` run computes. What it made is kept here by content, so that the next takes the
// same text; CNPG_TELEPORT_TRANSPILED names the folder, which `lab down --purge` removes. Only where ts-node checks no types
// (PULUMI_NODEJS_TRANSPILE_ONLY). Stack traces then name lines of what was compiled.
"use strict";
const { createHash } = require("node:crypto");
const { mkdirSync, readFileSync, renameSync, writeFileSync } = require("node:fs");
const { join } = require("node:path");

const folder = process.env.CNPG_TELEPORT_TRANSPILED;
/** Where ts-node puts its service: https://typestrong.org/ts-node/api/index.html#REGISTER_INSTANCE */
const REGISTERED = Symbol.for("ts-node.register.instance");

/** At once, since others read it meanwhile. What cannot be kept is compiled again. */
function keep(file, output) {
  try {
    mkdirSync(folder, { recursive: true });
    writeFileSync(`${file}.${process.pid}`, output);
    renameSync(`${file}.${process.pid}`, file);
  } catch (error) {
    console.error(`${file} could not be kept: ${error.message}`);
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
