// `cnpg-teleport/operations` resolves to this file. Pulumi's process for dynamic providers runs plain JavaScript. An
// installed package contains compiled files. A checkout contains TypeScript, which ts-node loads directly.
"use strict";

const { existsSync } = require("node:fs");
const { join } = require("node:path");

const isCheckout = existsSync(join(__dirname, "operations.ts"));
if (isCheckout) require("ts-node").register({ transpileOnly: true, dir: __dirname });

const from = isCheckout ? "." : "../dist";
require(`${from}/dynamic/end-with-engine`).endWithEngine();
module.exports = require(`${from}/operations`).operations;
