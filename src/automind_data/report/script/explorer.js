/* The explorer: which data set and observation is shown, and everything that follows from it. */

const state = { set: null, key: null, others: null, best: true };
const setNames = [...document.querySelectorAll("#chooser [name=dataset]")].map((each) => each.value);

/** The observation that stands in the page; undefined when the set has none. */
function observationOf(set, key) {
  const at = set.keys.indexOf(key);
  return at < 0 ? undefined : carried(`data-${set.name}-${at}`);
}

/** Show `key` of the set `name`; without a key the one shown last, else the set's own first. */
const shownKeys = new Map();

function show(name, key) {
  const set = carried(`data-${name}`);
  const wanted = set.keys.includes(key) ? key : shownKeys.get(name) || set.chosen;
  shownKeys.set(name, wanted);
  state.set = name;
  state.key = wanted;
  for (const each of setNames) byId(each).classList.toggle("current", each === name);
  for (const radio of document.querySelectorAll("#chooser [name=dataset]")) radio.checked = radio.value === name;
  const list = byId("observation");
  list.replaceChildren(...set.keys.map((each) => make("option", { value: each }, each)));
  list.value = wanted;
  list.disabled = set.keys.length === 0;
  const at = set.keys.indexOf(wanted);
  byId("previous").disabled = at <= 0;
  byId("next").disabled = at < 0 || at >= set.keys.length - 1;
  const observation = observationOf(set, wanted);
  if (observation) showObservation(byId(name), set, observation);
  byId("status").textContent = observation ? `${set.title}. ${observation.said.status}` : `${set.title}: nothing to show.`;
}

/** Remember the choice in the address, so that it can be kept as a link. */
function remember() {
  const address = state.key ? `#${state.set}/${encodeURIComponent(state.key)}` : `#${state.set}`;
  history.replaceState(null, "", address);
}

function showObservation(section, set, observation) {
  const slot = (name) => section.querySelector(`[data-slot="${name}"]`);
  const part = (name) => section.querySelector(`[data-part="${name}"]`);
  for (const place of section.querySelectorAll("[data-fact]")) {
    const fact = place.dataset.fact;
    place.textContent = fact === "key" ? observation.key : observation.said[fact];
  }
  const { draws } = observation;
  part("draws").hidden = part("corner").hidden = Boolean(!draws);
  section.querySelector("[data-fact=empty]").hidden = Boolean(draws);
  const ranked = showRanking(part("ranking"), set, observation);
  showRows(section, set, observation);
  showTarget(slot("target"), set, observation, ranked);
  if (draws) {
    slot("marginals").replaceChildren(...marginalItems(set, observation));
    showCorner(slot("corner"), set, observation, ranked.parameters);
  }
}

/** The same as numbers: the cells of each row, below the pictures. */
function showRows(section, set, observation) {
  const { target, marginals } = observation.numbers;
  const rows = section.querySelector('[data-rows="target"]');
  if (rows && set.kind === "features") {
    [...rows.rows].forEach((row, at) => write(row, target[at] || []));
  } else if (rows) {
    rows.replaceChildren(...target.map(([hz, ...cells]) => make("tr", {},
      make("th", { scope: "row" }, hz), ...cells.map((cell) => make("td", { class: "n" }, cell)))));
  }
  const table = section.querySelector('[data-rows="marginals"]');
  [...table.rows].forEach((row, at) => write(row, marginals[at] || []));
}

function write(row, cells) {
  cells.forEach((cell, at) => { row.cells[at + 1].replaceChildren(...breakable(cell)); });
}

/** The target's picture, and a legend whose boxes show or hide what lies under it. */
function showTarget(place, set, observation, ranked) {
  if (!set.kind || !observation.target) {
    clear(place);
    place.append(make("p", { class: "empty" },
      `No target can be drawn for ${observation.key}: it has no usable values or its files are missing.`));
    return;
  }
  const models = observation.models && observation.models.quantiles;
  const withOthers = state.others === null ? !models : state.others;
  const others = withOthers
    ? Object.entries(set.others).filter(([key]) => key !== observation.key).map(([, values]) => values)
    : [];
  const best = state.best ? ranked.features : [];
  const draw = set.kind === "spectrum" ? spectrumChart : featuresChart;
  const box = (name, checked) => {
    const input = make("input", { type: "checkbox", "data-shows": name });
    input.checked = checked;
    input.addEventListener("change", () => {
      state[name] = input.checked;
      showTarget(place, set, observation, ranked);
      place.querySelector(`[data-shows=${name}]`).focus();
    });
    return input;
  };
  const entries = [legendEntry(set.kind === "spectrum" ? "target" : "here", "target")];
  if (models) entries.push(legendEntry("models", `${observation.models.usable} models: median, 25–75 %, 5–95 %`));
  if (ranked.features.length) {
    entries.push(legendEntry(set.kind === "spectrum" ? "best" : "ring",
      `the ${ranked.features.length} closest models`, box("best", state.best)));
  }
  if (observation.models && observation.models.noise.length && set.kind === "spectrum") {
    entries.push(legendEntry("prior", "target’s parameters, another seed"));
  }
  const drawnOthers = Object.keys(set.others).filter((key) => key !== observation.key).length;
  if (drawnOthers) {
    entries.push(legendEntry(set.kind === "spectrum" ? "others" : "dots",
      `${drawnOthers} of ${set.n_everyone - 1} other observations`, box("others", withOthers)));
  }
  fill(place, (width) => make("figure", {}, draw(set, observation, best, others, width),
    make("figcaption", { class: "legend" }, ...entries)));
}

/** What the address asks for: a set, and perhaps an observation. */
function asked() {
  const [name, key] = location.hash.slice(1).split("/");
  if (!setNames.includes(name)) return null;
  try {
    return { name, key: key === undefined ? undefined : decodeURIComponent(key) };
  } catch {
    return { name };
  }
}

function startExplorer() {
  document.documentElement.classList.add("js");
  for (const each of document.querySelectorAll("details.numbers")) each.open = false;
  byId("chooser").hidden = false;
  byId("chooser").addEventListener("submit", (event) => event.preventDefault());
  const step = (by) => {
    const { keys } = carried(`data-${state.set}`);
    const wanted = keys[keys.indexOf(state.key) + by];
    if (wanted === undefined) return;
    show(state.set, wanted);
    remember();
  };
  for (const radio of document.querySelectorAll("#chooser [name=dataset]")) {
    radio.addEventListener("change", () => {
      show(radio.value);
      remember();
    });
  }
  byId("observation").addEventListener("change", (event) => {
    show(state.set, event.target.value);
    remember();
  });
  byId("previous").addEventListener("click", () => step(-1));
  byId("next").addEventListener("click", () => step(1));
  window.addEventListener("hashchange", () => {
    const wanted = asked();
    if (!wanted) return;
    show(wanted.name, wanted.key);
    byId(wanted.name).scrollIntoView();
  });
  const first = asked() || { name: setNames[0] };
  byId(first.name).classList.add("current");
  afterPaint(() => { if (state.set === null) show(first.name, first.key); });
}

/** Run when the page has been painted, so that its words never wait for its pictures. */
function afterPaint(run) {
  requestAnimationFrame(() => setTimeout(run));
}

document.addEventListener("DOMContentLoaded", startExplorer);
