"use strict";

const { NAME, plugin } = require("./lib/plugin.js");

/**
 * `env.AI` in the three forms that tools want it in, from one set of options.
 *
 * The plugin is named by its absolute path, so that it is found whatever the package manager's layout is.
 */
exports.alpenglow = ({ binding = "AI", ...options } = {}) => {
  const dev = { plugin: { package: __filename, name: NAME }, options };
  return {
    wrangler: { unsafe: { bindings: [{ name: binding, type: "ai", dev }] } },
    miniflare: { unsafeBindings: [{ name: binding, type: "ai", ...dev }] },
    env: { [binding]: { type: "unsafe:ai", dev } },
  };
};

/** What Miniflare looks for. It imports this file as an ES module, which finds only names assigned like this. */
exports.plugins = { [NAME]: plugin };
