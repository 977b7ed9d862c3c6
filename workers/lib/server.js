"use strict";

const { createHash } = require("node:crypto");

const DEFAULT_URL = "http://127.0.0.1:8770";

/**
 * Where the server is and the token it wants: from a binding's options, else from the environment, else this machine.
 * Throws a TypeError for what is not the URL of a server.
 */
function serverOf({ url, token } = {}) {
  const text = url || process.env.ALPENGLOW_URL || DEFAULT_URL;
  const parsed = URL.canParse(text) ? new URL(text) : undefined;
  if (!parsed || !["http:", "https:"].includes(parsed.protocol) || parsed.pathname !== "/" || parsed.search) {
    throw new TypeError(
      `alpenglow-workers: "url" is to be like ${DEFAULT_URL}, with no path, not ${JSON.stringify(text)}`,
    );
  }
  return { url: parsed, token: (token || process.env.ALPENGLOW_TOKEN || "").trim() || undefined };
}

/** The name of a server's service in workerd: one server, one service, however many bindings lead to it. */
function serviceName({ url, token }) {
  const digest = createHash("sha256")
    .update(`${url.origin} ${token ?? ""}`)
    .digest("hex");
  return `alpenglow:${digest.slice(0, 16)}`;
}

/** workerd's external service for a server; the token is added to each request on the way, unseen by the Worker. */
function serviceOf(server) {
  const { protocol, hostname, port } = server.url;
  const http = server.token
    ? { injectRequestHeaders: [{ name: "Authorization", value: `Bearer ${server.token}` }] }
    : {};
  const external =
    protocol === "https:"
      ? {
          address: `${hostname}:${port || 443}`,
          https: { options: http, tlsOptions: { trustBrowserCas: true }, certificateHost: hostname },
        }
      : { address: `${hostname}:${port || 80}`, http };
  return { name: serviceName(server), external };
}

/** Resolves to whether anything answers there, with whatever status, within two seconds. */
async function answers({ url }) {
  try {
    const answer = await fetch(new URL("/healthz", url), { signal: AbortSignal.timeout(2000) });
    await answer.body?.cancel();
    return true;
  } catch {
    return false;
  }
}

module.exports = { DEFAULT_URL, answers, serverOf, serviceName, serviceOf };
