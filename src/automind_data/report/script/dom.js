"use strict";

/* Small tools: find, make, empty; data that the page carries. Text from data is only ever text. */

const byId = (id) => document.getElementById(id);

/** Make an element; attributes by name, `false` and `undefined` leave one out; children appended. */
function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== false && value !== undefined) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

/** A text that may break after each `_`, as pieces to append. */
function breakable(text) {
  return String(text).split(/(?<=_)/).flatMap((piece, at) => (at ? [make("wbr"), piece] : [piece]));
}

const parsed = new Map();

/** The JSON value that the page carries under `id`, parsed when it is first asked for. */
function carried(id) {
  if (!parsed.has(id)) parsed.set(id, JSON.parse(byId(id).textContent));
  return parsed.get(id);
}

/** A copy of a parameter's symbol as the table of parameters writes it; its name if there is none. */
function symbolOf(name) {
  for (const each of document.querySelectorAll("[data-symbol]")) {
    if (each.dataset.symbol === name) return each.cloneNode(true);
  }
  return make("span", {}, name);
}

/** What a parameter means, in words. */
function meaningOf(name) {
  for (const each of document.querySelectorAll("[data-meaning]")) {
    if (each.dataset.meaning === name) return each.textContent;
  }
  return name;
}

/** Write a number with three significant digits. */
function brief(value) {
  if (value === null || !Number.isFinite(value)) return "–";
  const size = Math.abs(value);
  let text = size >= 100 ? value.toFixed(0) : String(Number(value.toPrecision(3)));
  if (size >= 1e6 || (size > 0 && size < 1e-3)) {
    text = value.toExponential(2).replace(/\.?0+e/, "e").replace("e+", "e");
  }
  return text.replaceAll("-", "−");
}

/** Give `draw` the width of `place` now and whenever the width changes. */
const drawn = new Map();

function fill(place, draw) {
  drawn.set(place, draw);
  redraw(place);
}

function clear(place) {
  drawn.delete(place);
  place.replaceChildren();
}

function redraw(place) {
  const width = Math.floor(place.clientWidth);
  if (width > 0) place.replaceChildren(...[drawn.get(place)(width)].flat());
}

let lastWidth = window.innerWidth;
window.addEventListener("resize", () => {
  if (window.innerWidth === lastWidth) return;
  lastWidth = window.innerWidth;
  for (const place of drawn.keys()) redraw(place);
});
