// One request in five languages, correct to the letter. Text in, text out: knows no page.
//
// A request is { model, fields: [[name, value as text]], references: [{ name }] }; the server is { origin, account,
// secured }. JSON's string literals are JavaScript's and Python's too. A token is never written: it is read where it runs.

const FILE = { jpeg: "picture.jpg", png: "picture.png", webp: "picture.webp" };

export const LANGUAGES = [
  ["curl", curl],
  ["Worker", worker],
  ["Python", python],
  ["JavaScript", javascript],
  ["OpenAI", openai],
];

const quoted = JSON.stringify;
const shell = (text) => `'${text.replaceAll("'", String.raw`'\''`)}'`;
const format = (request) => request.fields.find(([name]) => name === "output_format")?.[1] ?? "jpeg";
const runUrl = (request, server) => `${server.origin}/client/v4/accounts/${server.account}/ai/run/${request.model}`;

function curl(request, server) {
  const bearer = server.secured ? '"Authorization: Bearer $ALPENGLOW_TOKEN"' : "'Authorization: Bearer anything'";
  // --form reads files behind @ or <, a form within the form behind (, options behind a semicolon; --form-string nothing.
  const field = ([name, value]) =>
    `${/^[@<(]|[;"\\]/.test(value) ? "--form-string" : "--form"} ${shell(`${name}=${value}`)}`;
  return [
    "curl --request POST",
    `--url ${shell(runUrl(request, server))}`,
    `--header ${bearer}`,
    "--header 'Content-Type: multipart/form-data'",
    ...request.fields.map(field),
    ...request.references.map(({ name }, at) => `--form 'input_image_${at}=@${name}'`),
  ].join(" \\\n  ");
}

function worker(request) {
  const append = request.fields.map(([name, value]) => `    form.append(${quoted(name)}, ${quoted(value)});`);
  const sent = request.references.map(
    (_, at) => `    form.append("input_image_${at}", sent.get("input_image_${at}"));`,
  );
  const bytes = "Uint8Array.from(atob(image), (character) => character.charCodeAt(0))";
  return [
    "export default {",
    "  async fetch(request, env) {",
    ...(sent.length ? ["    const sent = await request.formData(); // the pictures, posted to this Worker"] : []),
    "    const form = new FormData();",
    ...append,
    ...sent,
    "",
    `    const { image } = await env.AI.run(${quoted(request.model)}, {`,
    '      multipart: { body: form, contentType: "multipart/form-data" },',
    "    });",
    `    const picture = ${bytes};`,
    `    return new Response(picture, { headers: { "content-type": "image/${format(request)}" } });`,
    "  },",
    "};",
  ].join("\n");
}

function python(request, server) {
  const files = request.references.map(
    ({ name }, at) => `        "input_image_${at}": (${quoted(name)}, Path(${quoted(name)}).read_bytes()),`,
  );
  return [
    "import base64",
    ...(server.secured ? ["import os"] : []),
    "from pathlib import Path",
    "",
    "from cloudflare import Cloudflare",
    "",
    `client = Cloudflare(api_token=${server.secured ? 'os.environ["ALPENGLOW_TOKEN"]' : '"anything"'}, base_url=${quoted(`${server.origin}/client/v4`)})`,
    "answer = client.post(",
    `    ${quoted(`/accounts/${server.account}/ai/run/${request.model}`)},`,
    "    cast_to=object,",
    "    body={",
    ...request.fields.map(([name, value]) => `        ${quoted(name)}: ${quoted(value)},`),
    "    },",
    ...(files.length ? ["    files={", ...files, "    },"] : []),
    '    options={"headers": {"Content-Type": "multipart/form-data"}},',
    ")",
    `Path("${FILE[format(request)]}").write_bytes(base64.b64decode(answer["result"]["image"]))`,
  ].join("\n");
}

function javascript(request, server) {
  const bearer = server.secured ? "`Bearer ${process.env.ALPENGLOW_TOKEN}`" : '"Bearer anything"';
  return [
    ...(request.references.length ? ['import { openAsBlob } from "node:fs";'] : []),
    'import { writeFile } from "node:fs/promises";',
    "",
    "const form = new FormData();",
    ...request.fields.map(([name, value]) => `form.append(${quoted(name)}, ${quoted(value)});`),
    ...request.references.map(
      ({ name }, at) => `form.append("input_image_${at}", await openAsBlob(${quoted(name)}), ${quoted(name)});`,
    ),
    "",
    `const answer = await fetch(${quoted(runUrl(request, server))}, {`,
    '  method: "POST",',
    `  headers: { Authorization: ${bearer} },`,
    "  body: form,",
    "});",
    "const { success, errors, result } = await answer.json();",
    "if (!success) throw new Error(errors[0].message);",
    `await writeFile("${FILE[format(request)]}", Buffer.from(result.image, "base64"));`,
  ].join("\n");
}

function openai(request, server) {
  const fields = new Map(request.fields);
  const [width, height] = [fields.get("width"), fields.get("height")];
  const extra = ["seed", "guidance"].filter((name) => fields.has(name)).map((name) => `"${name}": ${fields.get(name)}`);
  const images = request.references.map(({ name }) => `Path(${quoted(name)})`);
  return [
    "import base64",
    ...(server.secured ? ["import os"] : []),
    "from pathlib import Path",
    "",
    "from openai import OpenAI",
    "",
    `client = OpenAI(api_key=${server.secured ? 'os.environ["ALPENGLOW_TOKEN"]' : '"anything"'}, base_url=${quoted(`${server.origin}/v1`)})`,
    `answer = client.images.${images.length ? "edit" : "generate"}(`,
    `    model=${quoted(request.model)},`,
    ...(images.length ? [`    image=[${images.join(", ")}],`] : []),
    `    prompt=${quoted(fields.get("prompt"))},`,
    `    size="${width}x${height}",`,
    `    output_format="${format(request)}",`,
    ...(extra.length ? [`    extra_body={${extra.join(", ")}},`] : []),
    ")",
    `Path("${FILE[format(request)]}").write_bytes(base64.b64decode(answer.data[0].b64_json))`,
  ].join("\n");
}
