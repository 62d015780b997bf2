// What `cnpg-teleport/teleport-operations` resolves to. Pulumi's process for dynamic providers runs plain
// JavaScript: a published package holds compiled files, a checkout TypeScript, which ts-node reads as it is.
"use strict";

const { existsSync } = require("node:fs");
const { join } = require("node:path");

if (existsSync(join(__dirname, "operations.ts"))) {
  require("ts-node").register({ transpileOnly: true, dir: __dirname });
}

module.exports = require("./operations").operations;
