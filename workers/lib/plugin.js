"use strict";

const { answers, serverOf, serviceName, serviceOf } = require("./server.js");

const NAME = "alpenglow";

/**
 * A Miniflare plugin that binds workerd's own AI module, the one behind `env.AI` in production, to an alpenglow server.
 * The module does all it does there, FormData, errors and `models()` included; only its fetcher leads here.
 */
const plugin = {
  bindingTypeDescription: "alpenglow",

  getBindings: (options) => bindingsOf(options).map(({ name, server }) => wrapped(name, serviceName(server))),

  getNodeBindings: (options) => {
    const found = bindingsOf(options);
    const ProxyNodeBinding = found.length ? loadedMiniflare().ProxyNodeBinding : undefined;
    return Object.fromEntries(found.map(({ name }) => [name, new ProxyNodeBinding(serializedForms)]));
  },

  getServices: ({ options, log }) => {
    const servers = bindingsOf(options).map(({ server }) => server);
    for (const server of servers) void warnIfSilent(server, log);
    return servers.map(serviceOf);
  },
};

/** Our bindings of one worker. Miniflare 4 hands over a list of them, Miniflare 5 the worker's whole configuration. */
function bindingsOf(options) {
  const listed = Array.isArray(options)
    ? options.map((binding) => [binding.name, binding.options])
    : Object.entries(options?.config?.env ?? {})
        .filter(([, binding]) => binding.dev?.plugin?.name === NAME)
        .map(([name, binding]) => [name, binding.dev.options]);
  return listed.map(([name, given]) => ({ name, server: serverOf(given) }));
}

function wrapped(name, service) {
  const innerBindings = [{ name: "fetcher", service: { name: service } }];
  return { name, wrapped: { moduleName: "cloudflare-internal:ai-api", innerBindings } };
}

async function warnIfSilent(server, log) {
  if (!(await answers(server))) {
    log?.warn(`env.AI: nothing answers at ${server.url.origin}. Start the server there: alpenglow serve`);
  }
}

/**
 * The Miniflare that is asking. It checks for its own class, and beside this package another one may lie, or none.
 * The last one loaded is it: whoever asks for bindings in Node has only just started.
 */
function loadedMiniflare() {
  const loaded = Object.keys(require.cache).filter((path) =>
    /[\\/]miniflare[^\\/]*[\\/]dist[\\/]src[\\/]index\.js$/.test(path),
  );
  return require(loaded.at(-1) ?? "miniflare");
}

/** Lets `env.AI.run` in Node take a FormData, which cannot travel to workerd as such; its bytes can. */
const serializedForms = {
  get(target, property, receiver) {
    const value = Reflect.get(target, property, receiver);
    if (property !== "run") return value;
    return (model, inputs, options) => value(model, withFormsAsStreams(inputs), options);
  },
};

function withFormsAsStreams(inputs) {
  const entries = Object.entries(inputs ?? {}).map(([key, value]) => {
    if (!(value?.body instanceof FormData)) return [key, value];
    const { body, headers } = new Response(value.body);
    return [key, { body, contentType: headers.get("content-type") }];
  });
  return Object.fromEntries(entries);
}

module.exports = { NAME, plugin };
