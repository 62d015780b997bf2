// What `cnpg-teleport/operations` resolves to. Pulumi's process for dynamic providers runs plain JavaScript: an
// installed package holds compiled files, a checkout TypeScript, which ts-node reads as it is.
"use strict";

const { existsSync } = require("node:fs");
const { join } = require("node:path");

const isCheckout = existsSync(join(__dirname, "operations.ts"));
if (isCheckout) require("ts-node").register({ transpileOnly: true, dir: __dirname });

const from = isCheckout ? "." : "../dist";
require(`${from}/dynamic/end-with-engine`).endWithEngine();
module.exports = require(`${from}/operations`).operations;
