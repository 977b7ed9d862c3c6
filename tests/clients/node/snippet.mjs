// A Worker that the playground wrote, in Miniflare with env.AI bound: answers the pictures that are posted to it.
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { basename } from "node:path";

const { alpenglow } = createRequire(import.meta.url)("alpenglow-workers");
const { Miniflare, FormData } = await import("miniflare-4");
const [, , worker, ...pictures] = process.argv;

const contents = await readFile(worker, "utf8");
const modules = [{ type: "ESModule", path: "worker.js", contents }];
const mf = new Miniflare({ modules, compatibilityDate: "2026-01-28", ...alpenglow().miniflare });
const form = new FormData();
for (const [at, path] of pictures.entries()) {
  form.set(`input_image_${at}`, new Blob([await readFile(path)]), basename(path));
}
const answer = await mf.dispatchFetch("http://worker/", pictures.length ? { method: "POST", body: form } : {});
const image = Buffer.from(await answer.arrayBuffer()).toString("base64");
await mf.dispose();
console.log(JSON.stringify({ status: answer.status, type: answer.headers.get("content-type"), image }));
