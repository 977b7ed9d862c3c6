#!/usr/bin/env node
"use strict";

const { existsSync, readFileSync, writeFileSync } = require("node:fs");
const { parseArgs } = require("node:util");
const { serverOf } = require("../lib/server.js");
const { ConfigError, withLocalEnvironment } = require("../lib/wrangler-config.js");

const HELP = `Usage: alpenglow-workers init [options]

Adds an environment to wrangler.jsonc (or wrangler.json) in which env.AI is answered by an alpenglow server.
Comments and formatting stay as they are.

  --config FILE     the configuration (default: wrangler.jsonc, else wrangler.json)
  --env NAME        the environment (default: local)
  --binding NAME    the binding (default: the one of "ai", else AI)
  --url URL         the server (default: ALPENGLOW_URL when it runs, else http://127.0.0.1:8770)
  --help            this text`;

const OPTIONS = {
  config: { type: "string" },
  env: { type: "string", default: "local" },
  binding: { type: "string" },
  url: { type: "string" },
  help: { type: "boolean" },
};

/** Returns the exit code: 0 done, 1 the configuration cannot be edited, 2 wrong usage. */
function main(argv) {
  let values, positionals;
  try {
    ({ values, positionals } = parseArgs({ args: argv, options: OPTIONS, allowPositionals: true }));
    if (values.url) serverOf(values);
  } catch (error) {
    console.error(error.message);
    return 2;
  }
  if (values.help) {
    console.log(HELP);
    return 0;
  }
  if (positionals.join(" ") !== "init") {
    console.error(HELP);
    return 2;
  }
  return init(values);
}

function init({ config, env: environment, binding, url }) {
  const file = config ?? ["wrangler.jsonc", "wrangler.json"].find((name) => existsSync(name));
  if (!file || !existsSync(file)) {
    console.error(
      `${file ?? "wrangler.jsonc"} is not here. With a wrangler.toml, copy the lines from this package's README.`,
    );
    return 1;
  }
  const [mark, before] = /^(\ufeff?)(.*)$/s.exec(readFileSync(file, "utf8")).slice(1); // a byte order mark stays
  try {
    const { text, copied } = withLocalEnvironment(before, { environment, binding, url });
    if (text !== before) writeFileSync(file, mark + text);
    console.log(text === before ? `${file} has it already.` : `${file}: added the environment "${environment}".`);
    if (copied.length) console.log(`Environments inherit no bindings, so it repeats: ${copied.join(", ")}.`);
    console.log(`Start the server with "alpenglow serve", then: npx wrangler dev --env ${environment}`);
    return 0;
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    console.error(`${file}: ${error.message}.`);
    return 1;
  }
}

process.exitCode = main(process.argv.slice(2));
