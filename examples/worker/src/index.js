/** Pictures by Workers AI: `GET /?prompt=...` makes one, `POST /` with a form of pictures edits them. */

const MODEL = "@cf/black-forest-labs/flux-2-klein-9b";

export default {
  async fetch(request, env) {
    try {
      const { image } = request.method === "POST" ? await edit(request, env) : await textToImage(request, env);
      return new Response(bytes(image), { headers: { "content-type": "image/jpeg" } });
    } catch (error) {
      const status = error.name === "AiError" ? env.AI.lastRequestHttpStatusCode : 502;
      return Response.json({ error: `${error.name}: ${error.message}` }, { status });
    }
  },
};

/** The form as it is, as the changelog of 2026-01-28 first had it. */
function textToImage(request, env) {
  const asked = new URL(request.url).searchParams;
  const form = new FormData();
  form.append("prompt", asked.get("prompt") ?? "a sunset with a dog");
  form.append("width", asked.get("width") ?? "1024");
  form.append("height", asked.get("height") ?? "1024");
  return env.AI.run(MODEL, { multipart: { body: form, contentType: "multipart/form-data" } });
}

/** The form serialized by a Response, as the changelog has it now; the only way that Cloudflare itself understands. */
async function edit(request, env) {
  const given = await request.formData();
  const form = new FormData();
  form.append("prompt", given.get("prompt") ?? "take the subject of image 1 and style it like image 0");
  for (const name of ["width", "height", "seed"]) {
    if (given.has(name)) form.append(name, given.get(name));
  }
  given.getAll("image").forEach((image, index) => form.append(`input_image_${index}`, image));
  const serialized = new Response(form);
  return env.AI.run(MODEL, {
    multipart: { body: serialized.body, contentType: serialized.headers.get("content-type") },
  });
}

function bytes(base64) {
  return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
}
