/* The corner plot: draws of chosen parameters, two at a time. */

const FEWEST_CHOSEN = 2, MOST_CHOSEN = 6;
const chosenParameters = new Map();

/** The bytes of the draws as rows of shares of the prior's range. */
function pointsOf(draws, columns) {
  const bytes = Uint8Array.from(atob(draws.points), (mark) => mark.charCodeAt(0));
  return Array.from({ length: draws.n_points }, (_, row) =>
    columns.map((column) => bytes[row * draws.counts.length + column] / 255));
}

function correlation(points, one, other) {
  const mean = (at) => points.reduce((sum, row) => sum + row[at], 0) / points.length;
  const [a, b] = [mean(one), mean(other)];
  let [ab, aa, bb] = [0, 0, 0];
  for (const row of points) {
    ab += (row[one] - a) * (row[other] - b);
    aa += (row[one] - a) ** 2;
    bb += (row[other] - b) ** 2;
  }
  return aa && bb ? ab / Math.sqrt(aa * bb) : 0;
}

/** The grid of pictures for the parameters at `columns`; `marked` are rows of special models. */
function cornerGrid(set, observation, columns, marked, width) {
  const { draws } = observation;
  const points = pointsOf(draws, columns);
  const top = commonTop(draws);
  const size = Math.floor((Math.min(width, 180 * columns.length) - 6 * (columns.length - 1)) / columns.length);
  const grid = make("div", { class: "corner", style: `--columns:${columns.length};--cell:${size}px` });
  columns.forEach((row, down) => columns.forEach((column, across) => {
    const [below, beside] = [set.bounds[column], set.bounds[row]];
    if (across > down) {
      const r = correlation(points, across, down);
      const words = `Correlation of ${meaningOf(below.name)} and ${meaningOf(beside.name)}`;
      grid.append(make("p", { class: "r", title: words },
        make("span", { class: "unseen" }, words, " "), (Math.round(r * 100) / 100 + 0).toFixed(2).replace("-", "−")));
    } else if (across === down) {
      grid.append(make("div", { class: "diagonal" },
        make("p", {}, symbolOf(below.name)),
        marginalChart(draws, column, top, `${meaningOf(below.name)}, marginal`,
          { width: size, height: Math.max(20, size - 44) }),
        make("p", { class: "ends" }, make("span", {}, brief(below.low)), make("span", {}, brief(below.high)))));
    } else {
      grid.append(make("div", { class: "pair" }, picture(
        `${meaningOf(beside.name)} against ${meaningOf(below.name)}, ${points.length} draws over the prior's box`,
        {
          width: size, height: size, margin: 1, axis: null,
          x: { domain: [0, 1] }, y: { domain: [0, 1] },
          marks: [
            Plot.frame({ stroke: "var(--line)" }),
            Plot.dot(points, { x: (point) => point[across], y: (point) => point[down],
              r: 1.3, fill: "var(--post)", fillOpacity: 0.5 }),
            Plot.dot(marked, { x: (model) => model[column], y: (model) => model[row],
              r: 3.5, stroke: "var(--ink)", strokeWidth: 1.2 }),
          ],
        })));
    }
  }));
  return grid;
}

/** Fill the corner's place: a choice of parameters, and the grid. */
function showCorner(place, set, observation, marked) {
  const chosen = () => chosenParameters.get(set.name) || observation.narrowest;
  const grid = make("div", { class: "corner-place" });
  const note = make("p", { class: "note" });
  const boxes = set.bounds.map((bound, at) => {
    const box = make("input", { type: "checkbox", name: `corner-${set.name}`, value: at });
    box.addEventListener("change", () => {
      chosenParameters.set(set.name, boxes.map((each, index) => (each.checked ? index : -1))
        .filter((index) => index >= 0));
      draw();
    });
    return box;
  });
  const draw = () => {
    const columns = chosen();
    boxes.forEach((box, at) => {
      box.checked = columns.includes(at);
      box.disabled = box.checked ? columns.length <= FEWEST_CHOSEN : columns.length >= MOST_CHOSEN;
    });
    const ordered = [...columns].sort((one, other) => one - other);
    fill(grid, (width) => cornerGrid(set, observation, ordered, marked, width));
    note.textContent = `${observation.draws.n_points} draws in each square, axes over the prior's range; ` +
      "numbers on the right are correlations of these draws." +
      (marked.length ? ` Rings are the ${marked.length} closest models.` : "");
  };
  const narrowest = make("button", { type: "button" }, "The four narrowest");
  narrowest.addEventListener("click", () => {
    chosenParameters.delete(set.name);
    draw();
  });
  const choice = make("details", { class: "choice" },
    make("summary", {}, `Choose parameters (${FEWEST_CHOSEN} to ${MOST_CHOSEN})`),
    make("fieldset", {}, make("legend", { class: "unseen" }, "Parameters of the corner plot"),
      ...set.bounds.map((bound, at) => make("label", { title: meaningOf(bound.name) }, boxes[at],
        symbolOf(bound.name), make("span", { class: "unseen" }, meaningOf(bound.name))))),
    narrowest);
  choice.open = Boolean(place.querySelector("details[open]"));
  drawn.delete(place.querySelector(".corner-place"));
  place.replaceChildren(choice, grid, note);
  draw();
}
