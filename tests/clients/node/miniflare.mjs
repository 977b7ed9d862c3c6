// env.AI in Miniflare's own API, generation 4 or 5: the probe's word on a form, and a picture by the binding in Node.
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";

const { alpenglow } = createRequire(import.meta.url)("alpenglow-workers");
const contents = await readFile(new URL("probe.js", import.meta.url), "utf8");
const compatibilityDate = "2026-01-28";

const generations = {
  4: {
    name: "miniflare-4",
    options: {
      modules: [{ type: "ESModule", path: "probe.js", contents }],
      compatibilityDate,
      ...alpenglow().miniflare,
    },
  },
  5: {
    name: "miniflare",
    options: {
      workers: [
        {
          config: {
            name: "probe",
            compatibilityDate,
            manifest: { mainModule: "probe.js", modules: { "probe.js": { type: "esm", contents } } },
            env: alpenglow().env,
          },
        },
      ],
    },
  },
};

const { name, options } = generations[process.argv[2]];
const { Miniflare } = await import(name);
const mf = new Miniflare(options);
const outcome = await (await mf.dispatchFetch("http://probe/form")).json();
const { AI } = await mf.getBindings();
const { image } = await AI.run("@cf/black-forest-labs/flux-2-klein-9b", { prompt: "a dog", width: 256, height: 256 });
await mf.dispose();
console.log(JSON.stringify({ outcome, image }));
