// The server as the page sees it: who is asked, models, schemas, a run that is watched. Every request goes to our origin.

import { keep, kept } from "./kept.js";

const KEY = "alpenglow-token";
const API = "/client/v4/accounts";

export const token = () => kept(KEY);
export const keepToken = (value) => keep(KEY, value || null);

/** What the server, or the way to it, had to say instead of an answer. `code` is Cloudflare's, or a name of ours. */
export class Refusal extends Error {
  constructor(code, message) {
    super(message);
    this.code = code;
  }

  /** No token, a malformed one, a wrong one. */
  get wantsToken() {
    return [9106, 6003, 10000].includes(this.code);
  }
}

export async function get(path) {
  return (await answer(path)).json().then((body) => body.result);
}

/** The sentence why no picture would be made yet, or nothing: also where waiting does not help, as asking tells. */
export async function unready() {
  const response = await fetch("/readyz");
  return response.status === 503 ? (await response.json()).errors[0].message : "";
}

/** The account that pays: the token's first. */
export async function account() {
  return (await get(`${API}?per_page=1`))[0].id;
}

export async function models(account) {
  const found = await get(`${API}/${account}/ai/models/search?per_page=1000`);
  const property = (model, name) => model.properties.find((one) => one.property_id === name)?.value;
  return found.map((model) => ({
    name: model.name,
    description: model.description,
    weights: property(model, "alpenglow_weights"),
    licence: property(model, "alpenglow_licence"),
  }));
}

/** The fields of a model as JSON Schema; in strict mode the schema hides them, the API's own document does not. */
export async function fields(account, model) {
  const { input } = await get(`${API}/${account}/ai/models/schema?model=${encodeURIComponent(model)}`);
  if (!input.properties.multipart) return input;
  const { paths } = await (await answer("/openapi.json")).json();
  const run = paths["/client/v4/accounts/{account}/ai/run/{model}"].post;
  return run.requestBody.content["multipart/form-data"].schema;
}

/**
 * Run `request` and tell what comes of it: `tell("queued" | "progress", data)`; gives the data of the result.
 * Aborting `signal` closes the connection, which cancels the work.
 */
export async function run(account, request, tell, signal) {
  const body = new FormData();
  for (const [name, value] of request.fields) body.append(name, value);
  for (const [at, { blob, name }] of request.references.entries()) {
    const bytes = await blob.arrayBuffer().catch(() => {
      throw new Refusal("changed", `${name} cannot be read any more.`); // browsers do not send a file that has changed
    });
    body.append(`input_image_${at}`, new Blob([bytes], { type: blob.type }), name);
  }
  const response = await answer(`${API}/${account}/ai/stream/${request.model}`, { method: "POST", body, signal });
  for await (const [name, data] of events(response.body)) {
    if (name === "result") return data;
    if (name === "error") throw refusal(data);
    tell(name, data);
  }
  throw new Refusal("broken", "The connection ended before the picture was there.");
}

async function answer(path, options = {}) {
  if (/[^\x20-\x7e]/.test(token() ?? "")) throw new Refusal(6003, "The token has a character that no header carries.");
  const headers = token() ? { authorization: `Bearer ${token()}` } : {};
  const response = await fetch(path, { ...options, headers }).catch((error) => {
    if (error.name === "AbortError") throw error;
    throw new Refusal("unreachable", error.message);
  });
  if (response.ok) return response;
  throw refusal(await response.json().catch(() => ({})), response.status);
}

function refusal(body, status) {
  const error = body.errors?.[0];
  return new Refusal(error?.code ?? "unknown", error?.message ?? `The server answered ${status}.`);
}

/** Server-sent events as [name, data]. */
async function* events(stream) {
  const reader = stream.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      text += value;
      for (let end; (end = text.indexOf("\n\n")) >= 0; text = text.slice(end + 2)) {
        const [name, data] = text.slice(0, end).split("\n");
        yield [name.slice("event: ".length), JSON.parse(data.slice("data: ".length))];
      }
    }
  } catch (error) {
    throw error.name === "AbortError" ? error : new Refusal("broken", error.message);
  } finally {
    reader.cancel().catch(() => {});
  }
}
