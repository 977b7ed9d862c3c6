// The playground: wires form, references, stage, history and server together, and holds what is under way.

import { showCode } from "./code.js";
import { $, el } from "./dom.js";
import { Form } from "./form.js";
import { History, thumbnail } from "./history.js";
import { keep, kept } from "./kept.js";
import { References } from "./references.js";
import * as server from "./server.js";
import * as stage from "./stage.js";

const DRAFT = "alpenglow-draft";

const references = new References(insert);
const form = new Form($("drawn"), keepDraft);
const history = await History.open();
let account,
  models = [],
  current,
  working,
  thumbs = [],
  opened = start();
wire();

/** Whether the server is known; it is asked once more if it was not. */
async function ready() {
  if (!(await opened)) opened = start();
  return opened;
}

/** Find out who asks and which models there are; whether that went well. */
async function start() {
  drawHistory();
  const draft = JSON.parse(kept(DRAFT) ?? "{}");
  try {
    account = await server.account();
    models = await server.models(account);
    const named = (name) => models.find((model) => model.name === name);
    $("model").replaceChildren(...models.map(({ name }) => el("option", { value: name }, name.replace("@cf/", ""))));
    $("model").value = (named(draft.model) ?? named("@cf/black-forest-labs/flux-2-klein-9b") ?? models[0]).name;
    await choose();
  } catch (error) {
    if (error.wantsToken) askToken(server.token() ? "The token is not accepted here." : "");
    else stage.fail(error);
    return false;
  }
  $("prompt").value ||= draft.prompt ?? "";
  if (draft.fields) form.write(new Map(draft.fields));
  keepDraft();
  document.body.dataset.ready = "";
  untilReady();
  return true;
}

/** Say that the model is being loaded for as long as it is. */
async function untilReady() {
  for (
    let said;
    (said = await server.unready().catch(() => ""));
    await new Promise((resolve) => setTimeout(resolve, 700))
  ) {
    if (!working) $("said").textContent = `${said.replace(/\.$/, "")}.`;
    $("generate").disabled = true;
  }
  if ($("generate").disabled) $("said").textContent = "";
  $("generate").disabled = false;
}

async function choose() {
  const model = models.find(({ name }) => name === $("model").value);
  const own = model.name.endsWith(`/${model.weights}`) || model.name.endsWith(`flux-2-${model.weights}`);
  $("weights").textContent = `${model.weights} weights`;
  $("weights").toggleAttribute("data-demo", model.weights === "demo");
  $("model-hint").textContent = own
    ? model.description
    : `Answered by the ${model.weights} checkpoint: its own weights are not loaded here.`;
  const fields = await server.fields(account, model.name);
  if ($("model").value !== model.name) return; // another one was chosen meanwhile
  form.draw(fields);
  references.limit = form.references;
}

/** What the form asks for now. */
function asked() {
  const fields = [["prompt", $("prompt").value.trim()], ...form.read()];
  return {
    model: $("model").value,
    prompt: fields[0][1],
    fields,
    references: references.pictures.map(({ blob, name }) => ({ blob, name })),
  };
}

async function generate() {
  if (!(await ready()) || working) return;
  const request = asked();
  $("prompt").setAttribute("aria-invalid", String(!request.prompt));
  if (!request.prompt) {
    stage.fail({ code: "empty", message: "Describe a picture before you generate." });
    $("problem").replaceChildren(el("strong", {}, "The prompt is empty."), "Describe a picture, then generate.");
    return $("prompt").focus();
  }
  working = new AbortController();
  busy(true);
  const field = (name) => Math.floor(Number(request.fields.find(([one]) => one === name)?.[1] ?? 1024) / 16) * 16;
  const tell = stage.expect(field("width"), field("height"));
  if (matchMedia("(max-width: 56rem)").matches) $("stage").scrollIntoView({ behavior: "smooth" });
  try {
    const result = await server.run(account, request, (name, data) => tell[name]?.(data), working.signal);
    await finish(request, result);
  } catch (error) {
    if (error.name === "AbortError") back("Cancelled: nothing was made, and nothing is billed.");
    else if (error.wantsToken) {
      back("");
      askToken(server.token() ? "The token is not accepted here." : "");
    } else stage.fail(error);
  } finally {
    working = undefined;
    busy(false);
  }
}

/** Show and keep what was made. */
async function finish(request, { image, media_type: type, ...result }) {
  const blob = new Blob([Uint8Array.from(atob(image), (character) => character.charCodeAt(0))], { type });
  const { model, prompt, fields } = request;
  const [asked, sent] = [true, false].map((wanted) => fields.filter(([name]) => (name === "seed") === wanted));
  const seed = asked[0]?.[1] ?? String(result.seed); // as it was written: JSON's numbers end at 2^53
  current = {
    ...result,
    seed,
    blob,
    at: Date.now(),
    request: { model, prompt, fields: [...sent, ["seed", seed]], references: request.references },
  };
  form.sawSeed(seed);
  show(current);
  current.thumb = await thumbnail(blob);
  current.id = await history.add({ ...current });
  drawHistory();
}

function show(item) {
  current = item;
  stage.show(item, {
    use: ({ blob, seed }) =>
      references.add([
        new File([blob], `alpenglow-${seed}.${blob.type.split("/")[1].replace("jpeg", "jpg")}`, { type: blob.type }),
      ]),
    again: (item) => restore(item).then((done) => done && generate(), stage.fail),
    vary: (item) => restore(item, { without: "seed" }).then((done) => done && generate(), stage.fail),
    seed({ seed }) {
      form.sawSeed(seed, true);
      keepDraft();
    },
    code: async ({ request }) => (await ready()) && code(request),
    async remove({ id }) {
      await history.remove(id);
      current = undefined;
      stage.rest();
      drawHistory();
      $("stage").focus();
    },
  });
  markCurrent();
}

/** Fill the form as it was for `item`; whether there is a form. */
async function restore({ request }, { without } = {}) {
  if (!(await ready())) return false;
  if (models.some(({ name }) => name === request.model) && $("model").value !== request.model) {
    $("model").value = request.model;
    await choose();
  }
  $("prompt").value = request.prompt;
  form.write(new Map(request.fields.filter(([name]) => name !== without)));
  references.set(request.references);
  keepDraft();
  return true;
}

function back(said) {
  if (current) show(current);
  else stage.rest();
  $("said").textContent = said;
}

async function drawHistory() {
  const all = await history.all();
  thumbs.forEach((url) => URL.revokeObjectURL(url));
  thumbs = all.map(({ thumb }) => URL.createObjectURL(thumb));
  $("past").hidden = all.length === 0;
  $("thumbs").replaceChildren(
    ...all.map((item, at) => {
      const image = el("img", { src: thumbs[at], alt: "", loading: "lazy" });
      return el(
        "li",
        {},
        el(
          "button",
          {
            type: "button",
            "data-id": String(item.id),
            "aria-label": `Show: ${item.request.prompt}`,
            onclick: () => working || show(item),
          },
          image,
        ),
      );
    }),
  );
  markCurrent();
}

function markCurrent() {
  for (const button of $("thumbs").querySelectorAll("button"))
    button.setAttribute("aria-current", String(button.dataset.id === String(current?.id)));
}

/** Put a name into the prompt where the caret is, with spaces around it as needed. */
function insert(name) {
  const prompt = $("prompt");
  const [from, to, text] = [prompt.selectionStart, prompt.selectionEnd, prompt.value];
  const word = `${from > 0 && !/\s$/.test(text.slice(0, from)) ? " " : ""}${name}${/^(\s|[.,;:!?]|$)/.test(text.slice(to)) ? "" : " "}`;
  prompt.setRangeText(word, from, to, "end");
  prompt.focus();
  keepDraft();
}

function busy(on) {
  const [gone, come] = on ? [$("generate"), $("cancel")] : [$("cancel"), $("generate")];
  const holder = document.activeElement;
  [gone.hidden, come.hidden] = [true, false];
  // Focus on what goes would be lost.
  if ([gone, document.body].includes(holder) || (on && $("actions").contains(holder))) come.focus();
}

function keepDraft() {
  if (!form.controls.length) return; // there is nothing yet in place of what is kept
  keep(DRAFT, JSON.stringify({ model: $("model").value, prompt: $("prompt").value, fields: form.read() }));
}

function code(request) {
  showCode(request, { origin: location.origin, account, secured: Boolean(server.token()) });
}

function askToken(problem) {
  $("token").value = server.token() ?? "";
  $("token-problem").textContent = problem;
  $("token-problem").hidden = !problem;
  if (!$("token-dialog").open) $("token-dialog").showModal();
}

function wire() {
  $("ask").addEventListener("submit", (event) => {
    event.preventDefault();
    generate();
  });
  $("cancel").addEventListener("click", ({ detail }) => detail < 2 && working?.abort()); // not by a double click before
  $("model").addEventListener("change", () => choose().then(keepDraft, stage.fail));
  $("prompt").addEventListener("input", keepDraft);
  $("code").addEventListener("click", async () => (await ready()) && code(asked()));
  $("forget").addEventListener("click", async () => {
    if (!confirm("Remove all pictures from this browser?")) return;
    await history.clear();
    current = undefined;
    if (!working) stage.rest();
    drawHistory();
    $("stage").focus();
  });
  for (const button of document.querySelectorAll("[data-close]"))
    button.addEventListener("click", () => button.closest("dialog").close());
  $("token-form").addEventListener("submit", (event) => {
    event.preventDefault(); // else it would close after it was opened again
    $("token-dialog").close();
    server.keepToken($("token").value.trim());
    opened = start();
  });
  addEventListener("keydown", (event) => {
    if (document.querySelector("dialog[open]")) return;
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) generate();
    if (event.key === "Escape" && working) working.abort();
  });
}
