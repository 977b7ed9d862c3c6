// Up to four reference pictures: dropped, pasted, chosen or taken from a result. Their names are image 0 to image 3.

import { $, el, icon } from "./dom.js";

const PLUS = "M12 5v14M5 12h14";
const CROSS = "M6 6 18 18M18 6 6 18";

export class References {
  /** `insert(name)` puts a name into the prompt. */
  constructor(insert) {
    this.pictures = []; // { blob, name, url }
    this.most = Infinity; // until it is known: what is given before is kept
    this.insert = insert;
    this.#listen();
  }

  /** How many the model takes. */
  set limit(most) {
    this.most = most;
    this.pictures.splice(most);
    $("references").hidden = most === 0;
    this.#draw();
  }

  set(pictures) {
    this.pictures.forEach(({ url }) => URL.revokeObjectURL(url));
    this.pictures = [];
    this.add(pictures.map(({ blob, name }) => new File([blob], name, { type: blob.type })));
  }

  /** Files from the slot `at` on, else behind the last; says how many are left out, as no pictures or too many. */
  add(files, at = this.pictures.length) {
    const taken = [...files].filter((file) => file.type.startsWith("image/")).slice(0, Math.max(0, this.most - at));
    const left = files.length - taken.length;
    if (left) $("said").textContent = `Left out: ${left}. Up to ${this.most} pictures can be looked at.`;
    for (const file of taken) {
      const name = unique(file.name || `pasted.${file.type.split("/")[1]}`, this.pictures.toSpliced(at, 1));
      const replaced = this.pictures[at];
      if (replaced) URL.revokeObjectURL(replaced.url);
      this.pictures[at++] = { blob: file, name, url: URL.createObjectURL(file) };
    }
    this.#draw();
  }

  remove(at) {
    const [gone] = this.pictures.splice(at, 1);
    URL.revokeObjectURL(gone.url);
    this.#draw();
    ($("slots").querySelectorAll(".take")[at] ?? $("slots").querySelector(".add")).focus();
  }

  #draw() {
    const filled = this.pictures.map((picture, at) => this.#slot(picture, at));
    const add = el(
      "button",
      { type: "button", class: "slot add", "aria-label": "Add a reference picture", onclick: () => $("file").click() },
      icon(PLUS),
    );
    $("slots").replaceChildren(...filled, ...(this.pictures.length < this.most ? [el("li", {}, add)] : []));
  }

  #slot({ url, name }, at) {
    return el(
      "li",
      { "data-at": String(at) },
      el("div", { class: "slot" }, el("img", { src: url, alt: `Reference ${at}: ${name}` })),
      el(
        "button",
        { type: "button", class: "take round", "aria-label": `Remove image ${at}`, onclick: () => this.remove(at) },
        icon(CROSS),
      ),
      el(
        "button",
        {
          type: "button",
          class: "name",
          "aria-label": `Insert image ${at} into the prompt`,
          onclick: () => this.insert(`image ${at}`),
        },
        `image ${at}`,
      ),
    );
  }

  #listen() {
    const field = $("references");
    $("file").addEventListener("change", ({ target }) => {
      this.add(target.files);
      target.value = "";
      ($("slots").querySelector(".add") ?? [...$("slots").querySelectorAll(".take")].at(-1)).focus();
    });
    addEventListener("paste", (event) => {
      const { files: brought = [], types = [] } = event.clipboardData ?? {};
      if (types.includes("text/plain") && types.includes("text/html")) return; // words, and an office's picture of them
      const files = [...brought];
      if (!files.some((file) => file.type.startsWith("image/"))) return;
      event.preventDefault();
      this.add(files);
    });
    // Anywhere on the page, so that a near miss does not open the file in place of the page.
    const brings = (event) => event.dataTransfer.types.includes("Files"); // and not a word of the prompt
    addEventListener("dragover", (event) => {
      if (!brings(event)) return;
      event.preventDefault();
      field.classList.add("over");
    });
    addEventListener("dragleave", (event) => event.relatedTarget ?? field.classList.remove("over"));
    addEventListener("drop", (event) => {
      if (!brings(event)) return;
      event.preventDefault();
      field.classList.remove("over");
      const at = event.target.closest?.("#slots [data-at]")?.dataset.at;
      this.add(event.dataTransfer.files, at === undefined ? undefined : Number(at));
    });
  }
}

/** A file name that shells, form headers and every system take, and no other picture has. */
function unique(name, others) {
  const [, stem, ending] = name.replace(/[^\w.-]+/g, "-").match(/^[.-]*(.*?)(\.\w+)?$/);
  const taken = new Set(others.filter(Boolean).map((other) => other.name));
  for (let count = 1; ; count++) {
    const tried = `${stem || "picture"}${count > 1 ? `-${count}` : ""}${ending ?? ""}`;
    if (!taken.has(tried)) return tried;
  }
}
