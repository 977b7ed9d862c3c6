"use strict";

const { applyEdits, createScanner, findNodeAtLocation, getNodeValue, parseTree, SyntaxKind } = require("jsonc-parser");
const { NAME } = require("./plugin.js");

/** What an environment of wrangler does not inherit, beside `ai` and `unsafe`: it would be missing there. */
const NOT_INHERITED = [
  "define",
  "vars",
  "secrets",
  "durable_objects",
  "workflows",
  "kv_namespaces",
  "r2_buckets",
  "d1_databases",
  "k2",
  "queues",
  "services",
  "vectorize",
  "hyperdrive",
  "analytics",
  "analytics_engine_datasets",
  "browser",
  "images",
  "media",
  "stream",
  "send_email",
  "version_metadata",
  "mtls_certificates",
  "dispatch_namespaces",
  "pipelines",
  "secrets_store_secrets",
  "ratelimits",
  "worker_loaders",
  "vpc_services",
  "vpc_networks",
  "tail_consumers",
  "streaming_tail_consumers",
  "ai_search",
  "ai_search_namespaces",
  "agent_memory",
  "artifacts",
  "flagship",
  "connect",
  "containers",
  "cloudchamber",
  "unsafe_hello_world",
];

/**
 * A wrangler.json(c) with an environment whose AI binding leads to an alpenglow server; the rest stays byte for byte.
 *
 * Returns `{ text, copied }`, `copied` being the top-level keys that the new environment repeats because wrangler lets
 * none inherit them; `text` is as given if the binding is there already. Throws a ConfigError for what it cannot edit.
 */
function withLocalEnvironment(text, { environment = "local", binding, url } = {}) {
  const root = parse(text);
  const top = getNodeValue(root);
  if ("pages_build_output_dir" in top) {
    throw new ConfigError(
      `a Pages project has no environments but preview and production: give a Worker that it calls the binding`,
    );
  }
  const entry = bindingEntry(binding ?? top.ai?.binding ?? "AI", url);
  const existing = top.env?.[environment];
  if (existing === undefined) {
    const copied = NOT_INHERITED.filter((key) => key in top);
    const others = (top.unsafe?.bindings ?? []).filter(({ name }) => name !== entry.name);
    const unsafe = { ...top.unsafe, bindings: [...others, entry] };
    const added = { ...Object.fromEntries(copied.map((key) => [key, top[key]])), unsafe };
    return { text: append(text, root, ["env", environment], added), copied };
  }
  if (existing.ai?.binding === entry.name) {
    throw new ConfigError(
      `env.${environment} has "ai" with the binding ${entry.name}, which leads to Cloudflare: remove it first`,
    );
  }
  const same = existing.unsafe?.bindings?.find(({ name }) => name === entry.name);
  if (same && same.dev?.plugin?.name !== NAME) {
    throw new ConfigError(`env.${environment} has another unsafe binding ${entry.name}: remove it first`);
  }
  if (same && url && same.dev.options?.url !== url) {
    throw new ConfigError(`env.${environment} has the binding ${entry.name} with another url: change it there`);
  }
  return { text: same ? text : append(text, root, ["env", environment, "unsafe", "bindings"], [entry]), copied: [] };
}

class ConfigError extends Error {}

function bindingEntry(name, url) {
  return {
    name,
    type: "ai",
    dev: { plugin: { package: "alpenglow-workers", name: NAME }, options: url ? { url } : {} },
  };
}

function parse(text) {
  const errors = [];
  const root = parseTree(text, errors, { allowTrailingComma: true });
  if (errors.length || root?.type !== "object") {
    throw new ConfigError("the configuration is not an object of JSON with comments");
  }
  return root;
}

/**
 * Put `value` at `path`, after whatever the deepest object or array on the way there already holds. Arrays are joined.
 * jsonc-parser's own `modify` would put it before a comment that ends the line of the last property.
 */
function append(text, root, path, value) {
  let depth = path.length;
  while (!findNodeAtLocation(root, path.slice(0, depth))) depth -= 1;
  const parent = findNodeAtLocation(root, path.slice(0, depth));
  if (!parent.children) throw new ConfigError(`${path.slice(0, depth).join(".")} is neither an object nor an array`);
  const missing = path.slice(depth);
  const style = styleOf(text, root);
  const content = missing.reduceRight((inner, key) => ({ [key]: inner }), value);
  const lines = JSON.stringify(content, null, style.indent).split("\n").slice(1, -1); // without its own brackets
  const outer = style.indent.repeat(depth);
  const block = lines.map((line) => outer + line).join(style.newline);
  return applyEdits(text, [...comma(text, parent), closing(text, parent, block, outer, style.newline)]);
}

/** The comma after the last child of `parent`, unless it is there or nothing needs it. */
function comma(text, parent) {
  const last = parent.children.at(-1);
  if (!last) return [];
  const end = last.offset + last.length;
  const scanner = createScanner(text, true);
  scanner.setPosition(end);
  return scanner.scan() === SyntaxKind.CommaToken ? [] : [{ offset: end, length: 0, content: "," }];
}

/** `block` on lines of its own before the bracket that closes `parent`, in place of the white space there. */
function closing(text, parent, block, outer, newline) {
  const bracket = parent.offset + parent.length - 1;
  const start = text.slice(0, bracket).trimEnd().length;
  return { offset: start, length: bracket - start, content: newline + block + newline + outer };
}

/** The indentation of the first property and the line ends of the file; tabs, as wrangler's own, if it has none. */
function styleOf(text, root) {
  const before = text.slice(0, root.children[0]?.offset ?? 0);
  const indent = /\n([ \t]+)$/.exec(before)?.[1] ?? "\t";
  return { indent, newline: text.includes("\r\n") ? "\r\n" : "\n" };
}

module.exports = { ConfigError, withLocalEnvironment };
