// The usage page: bars by day, stacked by model, drawn as SVG; the same figures as a table below.

import { $, el } from "./dom.js";
import * as server from "./server.js";
import { inWords } from "./words.js";

const SVG = "http://www.w3.org/2000/svg";
const [WIDTH, HEIGHT, LEFT, BOTTOM] = [900, 300, 64, 34];
const NO_ROUTE = 7000; // there is none for usage where there is no ledger
const period = $("period");
let rows = [];

period.addEventListener("submit", (event) => event.preventDefault());
period.addEventListener("change", ({ target }) => {
  if (target.name === "token") server.keepToken(target.value.trim());
  return target.name === "figure" ? draw() : load();
});
load();

async function load() {
  const asked = new URLSearchParams({ by: "day,model" });
  for (const name of ["since", "until"]) if (period.elements[name].value) asked.set(name, period.elements[name].value);
  try {
    rows = await server.get(`/client/v4/accounts/${await server.account()}/ai/usage?${asked}`);
    $("said").textContent = rows.length ? "" : "Nothing was made in this time.";
  } catch (error) {
    rows = [];
    $("token-label").hidden = !error.wantsToken;
    $("said").textContent =
      error.code === NO_ROUTE
        ? "This server keeps no ledger, so there is nothing to show. Start it with alpenglow serve --ledger local."
        : inWords(error).slice(0, 2).join(" ");
  }
  draw();
}

function draw() {
  const figure = period.elements.figure.value;
  $("figures").hidden = !rows.length;
  $("chart").replaceChildren(...(rows.length ? [key(), chart(figure)] : []));
  $("figures").tBodies[0].replaceChildren(
    ...rows.map((row) =>
      el(
        "tr",
        {},
        el("td", {}, row.day),
        el("td", {}, short(row.model)),
        ...[row.requests, row.pictures, row.neurons.toFixed(1), `$${row.dollars.toFixed(4)}`].map((value) =>
          el("td", { class: "number" }, String(value)),
        ),
      ),
    ),
  );
}

const short = (name) => name.split("/").at(-1);
const models = () => [...new Set(rows.map((row) => row.model))].sort();

function key() {
  return el("ul", { class: "key" }, ...models().map((name, at) => el("li", { class: `c${at % 5}` }, short(name))));
}

function chart(figure) {
  const days = span(rows.map((row) => row.day));
  const total = (day) => rows.filter((row) => row.day === day).reduce((sum, row) => sum + row[figure], 0);
  const most = nice(Math.max(...days.map(total)));
  const svg = shape("svg", {
    viewBox: `0 0 ${WIDTH} ${HEIGHT}`,
    role: "img",
    "aria-label": `${figure} by day, ${days[0]} to ${days.at(-1)}; the table below has the figures`,
  });
  const y = (value) => (HEIGHT - BOTTOM) * (1 - value / most) + 8;
  for (const part of [0, 0.5, 1]) {
    svg.append(shape("line", { x1: LEFT, x2: WIDTH, y1: y(most * part), y2: y(most * part), class: "grid" }));
    svg.append(text(LEFT - 10, y(most * part) + 4, amount(most * part, figure), "end"));
  }
  const step = (WIDTH - LEFT) / days.length;
  const wide = Math.min(46, step * 0.66);
  days.forEach((day, index) => {
    let under = 0;
    models().forEach((name, at) => {
      const value = rows.find((row) => row.day === day && row.model === name)?.[figure] ?? 0;
      if (!value) return;
      const bar = shape("rect", {
        x: LEFT + step * (index + 0.5) - wide / 2,
        y: y(under + value),
        width: wide,
        height: y(under) - y(under + value),
        rx: Math.min(3, wide / 4),
        class: `c${at % 5}`,
      });
      bar.append(shape("title", {}, `${day}, ${short(name)}: ${amount(value, figure)}`));
      svg.append(bar);
      under += value;
    });
    if (index % Math.ceil(days.length / 8) === 0)
      svg.append(text(LEFT + step * (index + 0.5), HEIGHT - 8, day.slice(5), "middle"));
  });
  return svg;
}

/** Every day from the first to the last, those without a picture too. */
function span(days) {
  const [first, last] = [days.toSorted()[0], days.toSorted().at(-1)];
  const all = [];
  for (let day = new Date(first); day <= new Date(last); day.setUTCDate(day.getUTCDate() + 1))
    all.push(day.toISOString().slice(0, 10));
  return all;
}

/** The next of 1, 2, 5 times a power of ten. */
function nice(value) {
  if (!value) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].find((factor) => factor * power >= value) * power;
}

const amount = (value, figure) =>
  (figure === "dollars" ? "$" : "") + value.toLocaleString("en", { maximumSignificantDigits: 3 });

function text(x, y, content, anchor) {
  return shape("text", { x, y, "text-anchor": anchor }, content);
}

function shape(tag, attributes, content) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  if (content !== undefined) element.textContent = content;
  return element;
}
