// The fields of a model, drawn from its JSON schema. A field that nobody foresaw gets a control by its type.

import { el } from "./dom.js";
import { label } from "./words.js";

const PRESETS = [
  [256, 256],
  [512, 512],
  [1024, 1024],
  [1024, 768],
  [768, 1024],
  [1280, 720],
];
const ELSEWHERE = /^(prompt|input_image_\d+)$/;

/** A control: its element; `read()` gives [name, value] pairs to be sent; `write(values)` takes a Map of them. */
const CONTROLS = [
  { takes: ["width", "height"], draw: size },
  { takes: ["seed"], draw: seed },
  { fits: (rule) => rule.type === "boolean", draw: yesOrNo, aside: true },
  { fits: (rule) => "minimum" in rule && "maximum" in rule && rule.maximum <= 1000, draw: range },
  { fits: (rule) => rule.enum, draw: choice, aside: true },
  { fits: (rule) => ["string", "number", "integer"].includes(rule.type), draw: text, aside: true },
];

export class Form {
  constructor(place, changed) {
    this.place = place;
    this.controls = [];
    place.addEventListener("input", changed);
  }

  /** Draw `schema`, keeping what was filled in. */
  draw(schema) {
    const kept = new Map(this.read());
    const rules = { ...schema.properties };
    this.references = Object.keys(rules).filter((name) => /^input_image_\d+$/.test(name)).length;
    for (const name of Object.keys(rules)) if (ELSEWHERE.test(name)) delete rules[name];
    this.controls = [];
    const [near, aside] = [[], []];
    for (const { takes, fits, draw, aside: apart } of CONTROLS) {
      const groups = takes
        ? [takes].filter((names) => names.every((name) => name in rules))
        : Object.keys(rules)
            .filter((name) => fits(rules[name]))
            .map((name) => [name]);
      for (const names of groups) {
        const control = draw(
          names,
          names.map((name) => rules[name]),
        );
        for (const name of names) delete rules[name];
        this.controls.push(control);
        (apart ? aside : near).push(control.element);
      }
    }
    const more = el("details", {}, el("summary", {}, "More"), el("div", { class: "inner" }, ...aside));
    this.place.replaceChildren(...near, ...(aside.length ? [more] : []));
    this.write(kept);
  }

  read() {
    return this.controls.flatMap((control) => control.read());
  }

  write(values) {
    for (const control of this.controls) control.write(values);
  }

  /** The seed that made a picture; kept for the next one if `keep`, or if the seed is being kept and none was named. */
  sawSeed(value, keep = false) {
    this.controls.find((control) => control.saw)?.saw(value, keep);
  }
}

function size([w, h], [wide, high]) {
  const number = (name, rule) =>
    el("input", {
      id: name,
      name,
      type: "number",
      min: String(rule.minimum),
      max: String(rule.maximum),
      step: "1",
      value: String(rule.default),
      inputmode: "numeric",
    });
  const [width, height] = [number(w, wide), number(h, high)];
  const multiple = Number(/multiple of (\d+)/.exec(wide.description ?? "")?.[1] ?? 1);
  const inside = ([x, y]) => x >= wide.minimum && x <= wide.maximum && y >= high.minimum && y <= high.maximum;
  const chips = PRESETS.filter(inside).map(([x, y]) => {
    const radio = el("input", { type: "radio", name: "preset", value: `${x}x${y}`, oninput: () => set(x, y) });
    return el("label", {}, radio, shape(x, y), `${x} × ${y}`);
  });
  const hint = el("p", { class: "hint", id: "size-hint", role: "status" });
  const element = el(
    "fieldset",
    { class: "field" },
    el("legend", {}, "Size", el("span", { class: "quiet" }, "pixels")),
    el("div", { class: "chips" }, ...chips),
    el(
      "div",
      { class: "pair" },
      el("label", { for: w }, "Width"),
      width,
      el("label", { for: h }, "Height"),
      height,
      hint,
    ),
  );
  for (const input of [width, height]) input.setAttribute("aria-describedby", hint.id);

  function set(x, y) {
    [width.value, height.value] = [x, y];
    show();
  }
  function show() {
    const [x, y] = [width, height].map((input) => Number(input.value));
    for (const chip of chips) chip.firstChild.checked = chip.firstChild.value === `${x}x${y}`;
    const valid = inside([x, y]);
    for (const input of [width, height]) input.setAttribute("aria-invalid", String(!valid && !input.checkValidity()));
    const snapped = [x, y].map((side) => Math.floor(side / multiple) * multiple);
    hint.textContent = !valid
      ? `Each side from ${wide.minimum} to ${wide.maximum}`
      : snapped[0] === x && snapped[1] === y
        ? ""
        : `Makes ${snapped[0]} × ${snapped[1]}: sides are multiples of ${multiple}`;
  }
  width.addEventListener("input", show);
  height.addEventListener("input", show);
  show();
  return {
    element,
    read: () => [
      [w, width.value],
      [h, height.value],
    ],
    write: (values) => set(values.get(w) ?? width.value, values.get(h) ?? height.value),
  };
}

/** The outline of a picture of this shape. */
function shape(x, y) {
  const scale = 12 / Math.max(x, y);
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 14 14");
  svg.setAttribute("aria-hidden", "true");
  const box = document.createElementNS(svg.namespaceURI, "rect");
  const [width, height] = [x * scale, y * scale];
  for (const [name, value] of Object.entries({ x: 7 - width / 2, y: 7 - height / 2, width, height, rx: 1.5 }))
    box.setAttribute(name, value);
  svg.append(box);
  return svg;
}

function seed([name], [rule]) {
  const number = el("input", {
    class: "seed",
    id: name,
    name,
    type: "number",
    min: "0",
    max: String(rule.maximum ?? ""),
    step: "1",
    inputmode: "numeric",
    placeholder: "of the next picture",
    "aria-label": "Seed to keep",
    oninput: () => mode("keep"),
  });
  const radios = ["random", "keep"].map((value) =>
    el("input", { type: "radio", name: "seed-mode", value, checked: value === "random", onchange: () => mode(value) }),
  );
  const element = el(
    "fieldset",
    { class: "field" },
    el("legend", {}, "Seed", el("span", { class: "quiet" }, "the same seed makes the same picture")),
    el("div", { class: "chips" }, el("label", {}, radios[0], "Random"), el("label", {}, radios[1], "Keep"), number),
  );
  function mode(value) {
    radios[0].checked = value === "random";
    radios[1].checked = value === "keep";
  }
  return {
    element,
    read: () => (radios[1].checked && number.value !== "" ? [[name, number.value]] : []),
    write(values) {
      if (values.has(name)) number.value = values.get(name);
      mode(values.has(name) ? "keep" : "random");
    },
    saw(value, keep) {
      if (keep) mode("keep");
      if (keep || radios[0].checked || number.value === "") number.value = value;
    },
  };
}

function choice([name], [rule]) {
  const select = el("select", { id: name, name }, ...rule.enum.map((value) => el("option", { value }, value)));
  select.value = rule.default ?? rule.enum[0];
  return field(name, rule, select, {
    read: () => (select.value === rule.default ? [] : [[name, select.value]]),
    write: (values) => (select.value = values.get(name) ?? rule.default ?? rule.enum[0]),
  });
}

function yesOrNo([name], [rule]) {
  const box = el("input", { type: "checkbox", id: name, name });
  const element = el("label", { class: "check", for: name }, box, rule.description || label(name));
  return {
    element,
    read: () => (box.checked ? [[name, "true"]] : []),
    write: (values) => (box.checked = values.get(name) === "true"),
  };
}

/** A number between limits. Without a default there is a place left of the scale for: not said. */
function range([name], [rule]) {
  const step = rule.type === "integer" ? 1 : (rule.maximum - rule.minimum) / 40;
  const unsaid = rule.default === undefined;
  const least = rule.minimum - (unsaid ? step : 0);
  const slider = el("input", {
    type: "range",
    id: name,
    name,
    min: String(least),
    max: String(rule.maximum),
    step: String(step),
  });
  const shown = el("output", { class: "quiet number", for: name });
  const said = () => !unsaid || Number(slider.value) >= rule.minimum;
  const show = () => {
    shown.textContent = said() ? slider.value : "as the model has it";
    slider.setAttribute("aria-valuetext", shown.textContent);
  };
  slider.addEventListener("input", show);
  const control = field(name, rule, slider, {
    read: () => (said() && slider.value !== String(rule.default) ? [[name, slider.value]] : []),
    write(values) {
      slider.value = values.get(name) ?? rule.default ?? least;
      show();
    },
  });
  control.element.querySelector("label").append(shown);
  return control;
}

function text([name], [rule]) {
  const input = el("input", { id: name, name, type: rule.type === "string" ? "text" : "number" });
  return field(name, rule, input, {
    read: () => (input.value === "" ? [] : [[name, input.value]]),
    write: (values) => (input.value = values.get(name) ?? rule.default ?? ""),
  });
}

function field(name, rule, input, control) {
  const hint = el("p", { class: "hint", id: `${name}-hint` }, rule.description ?? "");
  input.setAttribute("aria-describedby", hint.id);
  return { element: el("div", { class: "field" }, el("label", { for: name }, label(name)), input, hint), ...control };
}
