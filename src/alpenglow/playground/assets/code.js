// The dialog that shows a request in five languages and copies it.

import { $, arrows, el } from "./dom.js";
import { LANGUAGES } from "./snippets.js";

const HINTS = {
  curl: (request) => files(request) || "The picture comes in base64, inside JSON.",
  Worker: () => "Bind it to this server with the npm package alpenglow-workers, or deploy it as it is.",
  Python: (request) => `pip install cloudflare. ${files(request)}`,
  JavaScript: (request) => `Node 20 or newer. ${files(request)}`,
  OpenAI: (request) => `pip install openai. ${files(request)}`,
};
let shown = { request: null, server: null };

/** Show `request`; wire the dialog on the first call. */
export function showCode(request, server) {
  shown = { request, server };
  if (!$("code-tabs").children.length) wire();
  choose(
    Math.max(
      0,
      [...$("code-tabs").children].findIndex((tab) => tab.ariaSelected === "true"),
    ),
  );
  $("code-dialog").showModal();
}

function files(request) {
  const names = request.references.map(({ name }) => name);
  return names.length ? `Run it where ${names.join(", ")} ${names.length > 1 ? "lie" : "lies"}.` : "";
}

function choose(at) {
  [...$("code-tabs").children].forEach((tab, index) => {
    tab.setAttribute("aria-selected", String(index === at));
    tab.tabIndex = index === at ? 0 : -1;
  });
  const [name, write] = LANGUAGES[at];
  $("code-panel").setAttribute("aria-labelledby", `code-tab-${at}`);
  $("code-text").textContent = write(shown.request, shown.server);
  $("code-hint").textContent = HINTS[name](shown.request);
}

function wire() {
  const tabs = LANGUAGES.map(([name], at) =>
    el(
      "button",
      {
        type: "button",
        role: "tab",
        id: `code-tab-${at}`,
        "aria-controls": "code-panel",
        "aria-selected": String(at === 0),
        onclick: () => choose(at),
      },
      name,
    ),
  );
  $("code-tabs").append(...tabs);
  arrows($("code-tabs"), choose);
  $("copy").addEventListener("click", async () => {
    await copy($("code-text").textContent);
    $("copy").textContent = "Copied";
    setTimeout(() => ($("copy").textContent = "Copy"), 1500);
  });
}

/** Browsers have a clipboard for secure pages alone; over plain HTTP from elsewhere the old way is left. */
async function copy(text) {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  const area = el("textarea", { readonly: true });
  area.value = text;
  $("code-dialog").append(area);
  area.select();
  document.execCommand("copy");
  area.remove();
}
