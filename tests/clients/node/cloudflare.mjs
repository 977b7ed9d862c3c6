// Cloudflare's SDK: prints what each call came to. Arguments: two pictures.
import { readFile } from "node:fs/promises";
import Cloudflare, { toFile } from "cloudflare";

const MODEL = "@cf/black-forest-labs/flux-2-klein-9b";
const account_id = "0123456789abcdef0123456789abcdef";
const client = new Cloudflare({
  apiToken: process.env.ALPENGLOW_TOKEN,
  baseURL: `${process.env.ALPENGLOW_URL}/client/v4`,
  maxRetries: 0,
});
const [style, subject] = await Promise.all(process.argv.slice(2).map((path) => readFile(path)));

async function form(fields) {
  const form = new FormData();
  for (const [name, value] of Object.entries({ prompt: "a dog", width: "256", height: "256", ...fields })) {
    form.append(name, value);
  }
  return form;
}

const images = { input_image_0: await toFile(style, "style.png"), input_image_1: await toFile(subject, "subject.jpg") };
const names = [];
for await (const model of client.ai.models.list({ account_id })) names.push(model.name);

const outcome = {
  json: await client.ai.run(MODEL, { account_id, prompt: "a dog", width: 256, height: 256 }),
  form: await client.ai.run(MODEL, { account_id }, { body: await form() }),
  // Only the header changed: JSON arrives under the name of a form.
  mislabelled: await client.ai.run(
    MODEL,
    { account_id, prompt: "a dog", width: 256, height: 256 },
    { headers: { "content-type": "multipart/form-data" } },
  ),
  edit: (await client.post(`/accounts/${account_id}/ai/run/${MODEL}`, { body: await form(images) })).result,
  names,
  schema: await client.ai.models.schema.get({ account_id, model: MODEL }),
  error: await client.ai.run(MODEL, { account_id, prompt: "a dog", width: 20 }).then(
    () => null,
    (error) => ({ kind: error.constructor.name, status: error.status, errors: error.errors }),
  ),
};
console.log(JSON.stringify(outcome));
