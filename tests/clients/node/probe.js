// A Worker that tries env.AI in one way for each path, and tells what came of it.
const MODEL = "@cf/black-forest-labs/flux-2-klein-9b";
const BARE = "multipart/form-data";

const TRIES = {
  // The changelog's JavaScript, as first published and as corrected.
  form: (ai) => ai.run(MODEL, { multipart: { body: form(), contentType: BARE } }),
  stream: (ai) => ai.run(MODEL, { multipart: serialized(form()) }),

  edit: async (ai) => ai.run(MODEL, { multipart: { body: form(await pictures(ai)), contentType: BARE } }),
  "edit-stream": async (ai) => ai.run(MODEL, { multipart: serialized(form(await pictures(ai))) }),
  chunked: (ai) => ai.run(MODEL, { multipart: { body: slowly(BODY), contentType: `${BARE}; boundary=b` } }),
  json: (ai) => ai.run(MODEL, { prompt: "a dog", width: 256, height: 256 }),
  beside: (ai) => {
    const without = form();
    without.delete("height");
    return ai.run(MODEL, { multipart: { body: without, contentType: BARE }, height: 320 }, { rejectIfBusy: false });
  },
  proxied: (ai) => ai.run(MODEL.slice(4), { prompt: "a dog", width: 256, height: 256 }, { gateway: { id: "default" } }),
  raw: async (ai) => {
    const answer = await ai.run(MODEL, { prompt: "a dog", width: 256, height: 256 }, { returnRawResponse: true });
    return { status: answer.status, type: answer.headers.get("content-type"), ...(await answer.json()) };
  },
  models: (ai) => ai.models({ search: "klein-9b", per_page: 5 }),
  markdown: (ai) => ai.toMarkdown().supported(),
  convert: (ai) => ai.toMarkdown([{ name: "a.html", blob: new Blob(["<p>a</p>"], { type: "text/html" }) }]),

  small: (ai) => ai.run(MODEL, { multipart: { body: form({ width: "20" }), contentType: BARE } }),
  promptless: (ai) => ai.run(MODEL, { width: 256 }),
  unknown: (ai) => ai.run("@cf/nobody/nothing", { messages: [{ role: "user", content: "hello" }] }),
  batch: (ai) => ai.run(MODEL, { requests: [{ prompt: "a dog" }] }, { queueRequest: true }),
  numbers: (ai) => ai.run(MODEL, { prompt: "a dog", input_image_0: [1, 2, 3] }),
  garbage: (ai) =>
    ai.run(MODEL, { multipart: { body: form({ input_image_0: new Blob(["no picture"]) }), contentType: BARE } }),
};

export async function attempt(ai, name) {
  const outcome = await TRIES[name](ai).then(
    (result) => ({ result }),
    ({ name, message }) => ({ error: { name, message } }),
  );
  const { lastRequestId, lastRequestHttpStatusCode: status, lastRequestInternalStatusCode: code } = ai;
  return { ...outcome, lastRequestId, status, code };
}

export default {
  async fetch(request, env) {
    return Response.json(await attempt(env.AI, new URL(request.url).pathname.slice(1)));
  },
};

const SMALL = { width: "256", height: "256" };
const FIELDS = Object.entries({ prompt: "a sunset with a dog", ...SMALL });
const PARTS = FIELDS.map(
  ([name, value]) => `--b\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`,
);
const BODY = `${PARTS.join("")}--b--`;

function form(fields = {}) {
  const form = new FormData();
  for (const [name, value] of [...FIELDS, ...Object.entries(fields)]) {
    form.set(name, value);
  }
  return form;
}

function serialized(form) {
  const response = new Response(form);
  return { body: response.body, contentType: response.headers.get("content-type") };
}

/** Two pictures to edit, one as a Blob and one as a File, fresh from the model. */
async function pictures(ai) {
  const { image } = await TRIES.json(ai);
  const bytes = Uint8Array.from(atob(image), (character) => character.charCodeAt(0));
  return { input_image_0: new Blob([bytes], { type: "image/jpeg" }), input_image_1: new File([bytes], "me.jpg") };
}

/** A stream of unknown length. */
function slowly(text) {
  const { readable, writable } = new TransformStream();
  const writer = writable.getWriter();
  (async () => {
    for (const part of text.match(/.{1,9}/gs)) await writer.write(new TextEncoder().encode(part));
    await writer.close();
  })();
  return readable;
}
