/* The closest models of an observation: table, copy, parameters. */

const SHOWN_PARAMETERS = 4;

/** Fill the ranking; gives the features and parameters of the closest for the other pictures. */
function showRanking(part, set, observation) {
  const { ranked } = observation;
  const table = part.querySelector('[data-rows="ranked"]');
  if (!table) return { features: [], parameters: [] };
  const rows = ranked ? ranked.numbers : [];
  table.replaceChildren(...rows.map(([rank, run, kind, distance, matches]) => make("tr", {},
    make("th", { scope: "row", class: "n" }, rank), make("td", { class: "n" }, run),
    make("td", { class: "path" }, ...breakable(kind)), make("td", { class: "n" }, distance), make("td", {}, matches))));
  part.querySelector("[data-fact=ranked]").textContent = ranked ? ranked.said
    : "The predictive checks do not know this observation.";
  part.querySelector("table.ranked").hidden = !rows.length;
  part.querySelector(".copy").hidden = !rows.length;
  part.querySelector("details").hidden = !rows.length;
  part.querySelector("[data-copied]").textContent = "";
  part.querySelector("[data-copy]").onclick = async () => {
    const done = await copy(asText(ranked));
    part.querySelector("[data-copied]").textContent = done
      ? `Copied ${ranked.rows.length} models, ${ranked.columns.length} columns.`
      : "This browser does not let pages copy.";
  };
  if (rows.length) showParameters(part.querySelector("[data-parameters]"), set, ranked);
  return { features: ranked ? ranked.features : [], parameters: ranked ? ranked.unit : [] };
}

/** The table as text with tabs, as spreadsheets take it. */
function asText({ columns, rows }) {
  const cell = (value) => (value === null ? "" : String(value).replace(/[\t\r\n]+/g, " "));
  return [columns, ...rows].map((row) => row.map(cell).join("\t")).join("\n") + "\n";
}

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const area = make("textarea", { class: "unseen", "aria-hidden": "true" });
    area.value = text;
    document.body.append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    return done;
  }
}

/** Parameters down, the closest models across. */
function showParameters(table, set, ranked) {
  const some = ranked.rows.slice(0, SHOWN_PARAMETERS);
  const head = make("thead", {}, make("tr", {}, make("th", { scope: "col" }, "Parameter"),
    ...some.map((_, at) => make("th", { scope: "col", class: "n" }, `Rank ${ranked.numbers[at][0]}`))));
  const body = make("tbody", {}, ...set.bounds.map((bound) => make("tr", {},
    make("th", { scope: "row" }, symbolOf(bound.name), " ", make("small", {}, bound.unit ? `(${bound.unit})` : "")),
    ...some.map((row) => make("td", { class: "n" }, brief(row[ranked.columns.indexOf(bound.name)]))))));
  table.replaceChildren(head, body);
}
