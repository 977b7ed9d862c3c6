// Elements by name, attributes and children. Knows nothing of the page.

export const $ = (id) => document.getElementById(id);

/** `on*` attributes are listeners, booleans are present or absent, all others are strings. */
export function el(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (typeof value === "boolean") element.toggleAttribute(name, value);
    else element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

/** A line drawing of 24 x 24. */
export function icon(path) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  const line = document.createElementNS(svg.namespaceURI, "path");
  line.setAttribute("d", path);
  svg.append(line);
  return svg;
}

/** Makes a row of `role="tab"` buttons one tab stop with arrow keys, as the pattern has it. */
export function arrows(list, choose) {
  list.addEventListener("keydown", (event) => {
    const all = [...list.children];
    const move = { ArrowRight: 1, ArrowLeft: -1, Home: -all.length, End: all.length }[event.key];
    if (move === undefined) return;
    event.preventDefault();
    const at = all.indexOf(document.activeElement);
    const next = Math.abs(move) === 1 ? (at + move + all.length) % all.length : move < 0 ? 0 : all.length - 1;
    all[next].focus();
    choose(next);
  });
}
