// Loaded before Pulumi's programs in the lab (NODE_OPTIONS). ts-node compiles every file anew in each process, which is
// three quarters of what a short `pulumi` run computes. What it made is kept here by content, so that the next takes the
// same text; CNPG_TELEPORT_TRANSPILED names the folder.
"use strict";
const { createHash } = require("node:crypto");
const { mkdirSync, readFileSync, renameSync, writeFileSync } = require("node:fs");
const { join } = require("node:path");

const folder = process.env.CNPG_TELEPORT_TRANSPILED;
/** Where ts-node puts its service: https://typestrong.org/ts-node/api/index.html#REGISTER_INSTANCE */
const REGISTERED = Symbol.for("ts-node.register.instance");

let registered;
if (folder)
  Object.defineProperty(process, REGISTERED, {
    get: () => registered,
    set(service) {
      registered = service;
      const { compile, config, ts } = service;
      service.compile = (code, file, line) => {
        const made = JSON.stringify([ts.version, config.options, file, line, code]);
        const kept = join(folder, createHash("sha256").update(made).digest("hex"));
        try {
          return readFileSync(kept, "utf8");
        } catch {
          const output = compile(code, file, line);
          mkdirSync(folder, { recursive: true });
          writeFileSync(`${kept}.${process.pid}`, output);
          renameSync(`${kept}.${process.pid}`, kept); // at once: others read it meanwhile
          return output;
        }
      };
    },
  });
