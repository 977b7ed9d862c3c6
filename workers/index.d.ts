/** Which server a binding leads to. */
export interface ServerOptions {
  /** The server, without a path. Default: `ALPENGLOW_URL` of the environment, else `http://127.0.0.1:8770`. */
  url?: string;
  /** Its token; `ALPENGLOW_TOKEN` of the environment keeps it out of files. Default: none is sent. */
  token?: string;
}

export interface Options extends ServerOptions {
  /** Name of the binding. Default: `AI`, which is `env.AI`. */
  binding?: string;
}

/** How a binding names this plugin to Miniflare. */
export interface Dev {
  plugin: { package: string; name: "alpenglow" };
  options: ServerOptions;
}

export interface Configuration {
  /** To spread into a wrangler configuration, such as the `config` of `@cloudflare/vite-plugin`. */
  wrangler: { unsafe: { bindings: [{ name: string; type: "ai"; dev: Dev }] } };
  /** To spread into the options of Miniflare 4, or of a `miniflare` block of `@cloudflare/vitest-pool-workers`. */
  miniflare: { unsafeBindings: [{ name: string; type: "ai" } & Dev] };
  /** To spread into `config.env` of a worker of Miniflare 5. */
  env: Record<string, { type: "unsafe:ai"; dev: Dev }>;
}

/** `env.AI` on an alpenglow server, in the form that each tool wants. */
export function alpenglow(options?: Options): Configuration;

/** What Miniflare loads; not for calling. */
export const plugins: { readonly alpenglow: object };
