// The stage: nothing yet, a picture coming about, a finished one beside what it was made from, or what went wrong.

import { $, el } from "./dom.js";
import { dollars, inWords, neurons, seconds } from "./words.js";

const FORMATS = { JPEG: "image/jpeg", PNG: "image/png", WebP: "image/webp" };
const ENDINGS = { "image/jpeg": "jpg", "image/png": "png", "image/webp": "webp" };

let urls = [];

/** The empty stage again. */
export function rest() {
  only("dusk");
  $("said").textContent = "";
}

/** A picture of `width` x `height` is on its way: gives what tells its events. */
export function expect(width, height) {
  only("figure", "steps");
  const frame = fit(width, height);
  const began = performance.now();
  const bar = $("steps").firstElementChild;
  bar.style.width = "0";
  $("caption").replaceChildren();
  const say = (text) => ($("said").textContent = text);
  say("Sent");
  return {
    queued({ position }) {
      say(position === 1 ? "Waiting: one picture is before yours" : `Waiting: ${position} pictures are before yours`);
    },
    progress({ step, steps, preview }) {
      bar.style.width = `${(100 * (step + 0.5)) / (steps + 1)}%`;
      say(step === steps ? "Developing" : `Step ${Math.min(step + 1, steps)} of ${steps}`);
      if (!preview) return;
      const image = el("img", { src: preview, alt: `Preview after step ${step} of ${steps}`, class: "soft" });
      image.style.filter = `blur(${Math.max(0, 10 - (8 * step) / steps)}px)`;
      frame.replaceChildren(image);
      frame.dataset.previews = String(Number(frame.dataset.previews ?? 0) + 1);
      frame.dataset.firstPreview ??= String(Math.round(performance.now() - began));
    },
  };
}

/** A finished picture. `act` maps names of actions to what they do. */
export function show(item, act) {
  only("figure", "actions");
  const frame = fit(item.width, item.height);
  const image = el("img", { src: url(item.blob), alt: item.request.prompt, class: "after" });
  frame.replaceChildren(image);
  $("caption").replaceChildren(el("p", { class: "words" }, item.request.prompt), facts(item));
  $("said").textContent = "";
  actions(item, act, frame);
}

/** What went wrong, in words. */
export function fail(error) {
  const [what, hint, own] = inWords(error);
  only("problem", "dusk");
  $("said").textContent = "";
  $("problem").replaceChildren(el("strong", {}, what), " ", hint, el("br"), el("code", {}, own));
}

function only(...shown) {
  for (const id of ["dusk", "figure", "steps", "problem", "actions"]) $(id).hidden = !shown.includes(id);
  urls.forEach((one) => URL.revokeObjectURL(one));
  urls = [];
  $("frame").replaceChildren();
  for (const name of Object.keys($("frame").dataset)) delete $("frame").dataset[name];
}

/** A frame of this shape: as wide as the page has room for, as high as the window, and small pictures at most doubled. */
function fit(width, height) {
  const frame = $("frame");
  frame.style.aspectRatio = `${width} / ${height}`;
  frame.style.width = `min(100%, ${(width / height) * 66}vh, ${2 * width}px)`;
  return frame;
}

function url(blob) {
  urls.push(URL.createObjectURL(blob));
  return urls.at(-1);
}

function facts(item) {
  const said = [
    seconds(item.seconds),
    neurons(item.neurons),
    dollars(item.dollars),
    `${item.width} × ${item.height}`,
    `seed ${item.seed}`,
    `${item.weights} weights`,
    ...item.notes,
  ];
  return el("p", { class: "facts" }, ...said.map((text) => el("span", {}, text)));
}

function actions(item, act, frame) {
  const button = (text, deed, more = {}) => el("button", { type: "button", onclick: () => deed(item), ...more }, text);
  const files = Object.entries(FORMATS).map(([name, type], at) =>
    button(at ? name : `Download ${name}`, () => download(item, type), { "aria-label": `Download ${name}` }),
  );
  const compare = item.request.references.map((reference, at) =>
    el(
      "button",
      {
        type: "button",
        "aria-pressed": "false",
        onclick: (event) => beside(frame, item, reference, at, event.currentTarget),
      },
      `Compare with image ${at}`,
    ),
  );
  $("actions").replaceChildren(
    el("span", { class: "group", role: "group", "aria-label": "Download" }, ...files),
    ...compare,
    button("Use as reference", act.use),
    button("Re-run", act.again),
    button("Vary", act.vary),
    button("Reuse seed", act.seed),
    button("View code", act.code),
    button("Remove", act.remove, { class: "plain" }),
  );
}

/** Before and after, with a line between them to be moved; pressed again, the picture alone. */
function beside(frame, item, reference, at, button) {
  const on = button.getAttribute("aria-pressed") !== "true";
  for (const other of $("actions").querySelectorAll("[aria-pressed]")) other.setAttribute("aria-pressed", "false");
  button.setAttribute("aria-pressed", String(on));
  frame.replaceChildren(frame.querySelector(".after"));
  if (!on) return;
  const slider = el("input", {
    type: "range",
    min: "0",
    max: "100",
    value: "50",
    "aria-label": `How much of image ${at} is seen`,
  });
  const move = () => frame.style.setProperty("--at", `${slider.value}%`);
  slider.addEventListener("input", move);
  move();
  frame.append(
    el("img", { src: url(reference.blob), alt: `Image ${at}: ${reference.name}`, class: "before" }),
    el("span", { class: "corner left" }, `image ${at}`),
    el("span", { class: "corner right" }, "result"),
    el("span", { class: "line" }),
    slider,
  );
  slider.focus();
}

/** The file as it came, or the same pixels in another format. */
async function download(item, type) {
  let { blob } = item;
  if (blob.type !== type) {
    const bitmap = await createImageBitmap(blob);
    const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
    canvas.getContext("2d").drawImage(bitmap, 0, 0);
    blob = await canvas.convertToBlob({ type, quality: 0.95 });
  }
  const link = el("a", { href: URL.createObjectURL(blob), download: `alpenglow-${item.seed}.${ENDINGS[blob.type]}` });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
