// env.AI in Node itself, as frameworks get it: a picture in each of the three forms, and an error.
import { getPlatformProxy } from "wrangler";

const MODEL = "@cf/black-forest-labs/flux-2-klein-9b";
const { env, dispose } = await getPlatformProxy({ configPath: "wrangler.jsonc", environment: "local", persist: false });

function form() {
  const form = new FormData();
  for (const [name, value] of Object.entries({ prompt: "a dog", width: "256", height: "256" }))
    form.append(name, value);
  return form;
}

const serialized = new Response(form());
const inputs = {
  json: { prompt: "a dog", width: 256, height: 256 },
  form: { multipart: { body: form(), contentType: "multipart/form-data" } },
  stream: { multipart: { body: serialized.body, contentType: serialized.headers.get("content-type") } },
};
const images = {};
for (const [name, input] of Object.entries(inputs)) images[name] = (await env.AI.run(MODEL, input)).image;
const error = await env.AI.run(MODEL, { prompt: "a dog", width: 20 }).catch(({ message }) => message);
const models = (await env.AI.models({ search: "klein-9b", per_page: 1 })).map(({ name }) => name);
await dispose();
console.log(JSON.stringify({ images, error, models }));
