# The module that is env.AI in production, bound to the server whose address the command line gives.
using Workerd = import "/workerd/workerd.capnp";

const config :Workerd.Config = (
  services = [
    (name = "main", worker = (
      modules = [(name = "worker", esModule = embed "../probe.js")],
      compatibilityDate = "2026-01-28",
      bindings = [(name = "AI", wrapped = (
        moduleName = "cloudflare-internal:ai-api",
        innerBindings = [(name = "fetcher", service = "alpenglow")],
      ))],
    )),
    (name = "alpenglow", external = (http = (
      injectRequestHeaders = [(name = "Authorization", value = "Bearer cfut_local")],
    ))),
  ],
  sockets = [(name = "http", http = (), service = "main")],
);
