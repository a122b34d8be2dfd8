"use strict";
/* Making elements and showing texts. Text from a log reaches the screen as text only, never as markup.
   h, put, say, named and tipOf are the only ways there: they mark what controls a screen or turns a line. */

const find = (selector) => document.querySelector(selector);

/** Make an element: attributes, listeners under `on`, style properties under `style`, then its children. */
function h(tag, attributes, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value == null || value === false) continue;
    if (name === "on") for (const type in value) made.addEventListener(type, value[type]);
    else if (name === "style") for (const property in value) made.style.setProperty(property, value[property]);
    else made.setAttribute(name, value === true ? "" : marked(value));
  }
  made.append(...contents(children));
  return made;
}

const marked = (value) => (typeof value === "string" ? visible(value) : value);
const contents = (children) => children.flat().filter((child) => child != null).map(marked);

/** Let an element hold these children and no others. */
const put = (element, ...children) => element.replaceChildren(...contents(children));

/** Let an element hold a text. */
function say(element, text) {
  element.textContent = visible(String(text));
}

/** Say what a figure shows, for those who cannot see it. */
function named(figure, text) {
  figure.setAttribute("role", "img");
  figure.setAttribute("aria-label", visible(text));
}

/** A tip of a figure, given where it stands and its title. */
const tipOf = (options) => ({ ...options, title: (each) => visible(options.title(each)), fill: colour("--card"), stroke: colour("--line") });

const CONTROLS = /[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028\u2029\u202a-\u202e\u2060\u2066-\u2069\ufeff]/;
const TURNS = /[\u061c\u200b\u200e\u200f\u2028\u2029\u202a-\u202e\u2060\u2066-\u2069\ufeff]/g;

/** Return a text in which control characters are pictures and marks that turn its direction are codes. */
function visible(text) {
  if (!CONTROLS.test(text)) return text;
  return text
    .replace(/[\x00-\x08\x0b-\x1f]/g, (each) => String.fromCharCode(0x2400 + each.charCodeAt(0)))
    .replace(/\x7f/g, "\u2421")
    .replace(/[\x80-\x9f]/g, (each) => code(each))
    .replace(TURNS, (each) => code(each));
}

function code(character) {
  return `\u27e6U+${character.charCodeAt(0).toString(16).toUpperCase().padStart(4, "0")}\u27e7`;
}

const LONG = 20000;
const PART = 100000;

/** Return nodes that show a text, of a long one its beginning and a button for the rest. */
function shown(text) {
  const whole = visible(text);
  if (whole.length <= LONG) return [whole];
  const more = h("button", { type: "button", class: "more" }, `show all ${count(whole.length)} characters`);
  more.addEventListener("click", () => {
    const parts = [];
    for (let from = LONG; from < whole.length; from += PART) parts.push(whole.slice(from, from + PART));
    more.replaceWith(...parts);
  });
  return [whole.slice(0, LONG), more];
}

/** A button that copies the true text, not what is shown of it. */
function copyButton(text) {
  const button = h("button", { type: "button", class: "small" }, "Copy");
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(text());
      button.textContent = "Copied";
    } catch {
      button.textContent = "Copying is not allowed here";
    }
    setTimeout(() => { button.textContent = "Copy"; }, 2000);
  });
  return button;
}

const UNKNOWN = "\u2013";
const count = (value) => (value == null ? UNKNOWN : Number(value).toLocaleString("en"));

/** Write a number with 4 significant digits, whole thousands in full; an unknown is never a 0. */
function number(value) {
  if (value == null) return UNKNOWN;
  if (typeof value !== "number") return String(value);
  if (Math.abs(value) >= 1000) return value.toLocaleString("en", { maximumFractionDigits: 0 });
  return String(+value.toPrecision(4) + 0);
}

const seconds = (value) => (value > 0 && value < 0.01 ? "less than 0.01 s" : `${+value.toPrecision(3)} s`);

const isNumber = (value) => typeof value === "number";
const plural = (n, word) => `${count(n)} ${word}${n === 1 ? "" : "s"}`;
const title = (stage) => stage.charAt(0).toUpperCase() + stage.slice(1).replaceAll("_", " ");

/** The width that a figure may take. */
const widthOf = (element) => Math.max(240, Math.floor(element.getBoundingClientRect().width));

/** Give a canvas its size in points of the screen and return a context that is scaled to it. */
function sized(canvas, width, height) {
  const ratio = devicePixelRatio || 1;
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
  canvas.style.width = `${width}px`;
  canvas.style.height = `${height}px`;
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  return context;
}
