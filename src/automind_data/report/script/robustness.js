/* Models that were simulated again with other seeds: every run's distance to the target. */

const ROBUST_ROW = 36;

/** One row per model: its runs, the published run, the tolerance and the noise floor. */
function robustPlot(view, width) {
  const rows = view.rows.map((row, at) => ({ ...row, at }));
  const dots = rows.flatMap(({ distances, key, at }) => distances.map((x, index) => (
    { x, key, y: at + 0.66 + 0.36 * ((index * 0.6180339887) % 1 - 0.5) })));
  const marks = ["tolerance", "noise_floor", "published", "median"];
  const all = [...dots.map((dot) => dot.x),
    ...rows.flatMap((row) => marks.map((name) => row[name]))].filter((x) => x !== null && x > 0);
  const positive = (name) => rows.filter((row) => row[name] !== null && row[name] > 0);
  const across = (name, options) => Plot.ruleX(positive(name), { x: name,
    y1: (row) => row.at + 0.42, y2: (row) => row.at + 0.92, ...options });
  const name = (row) => (row.rank === null ? row.key : `${row.key}, rank ${row.rank}`);
  return picture(`Distances of ${dots.length} runs of ${rows.length} models to their targets, logarithmic axis`, {
    width, height: rows.length * ROBUST_ROW + 48, marginLeft: 6, marginRight: 12, marginTop: 8, marginBottom: 42,
    x: { type: "log", label: `Distance to the target (${view.ranked_by})`, labelAnchor: "center", labelArrow: "none",
      domain: all.length ? [Math.min(...all) / 1.15, Math.max(...all) * 1.15] : [0.1, 10],
      ticks: width < 500 ? 3 : 6, tickFormat: brief },
    y: { axis: null, domain: [rows.length, 0] },
    marks: [
      Plot.ruleY(rows, { y: "at", stroke: "var(--line)" }),
      across("tolerance", { stroke: "var(--ink)", strokeWidth: 2 }),
      across("noise_floor", { stroke: "var(--soft)", strokeDasharray: "3 2", strokeWidth: 1.5 }),
      Plot.dot(dots.filter((dot) => dot.x > 0), { x: "x", y: "y", r: 2.5, fill: "var(--post)", fillOpacity: 0.65,
        title: (dot) => `${dot.key}: ${brief(dot.x)}` }),
      Plot.dot(positive("published"), { x: "published", y: (row) => row.at + 0.66, r: 5,
        stroke: "var(--ink)", strokeWidth: 1.5, title: (row) => `${row.key}, published: ${brief(row.published)}` }),
      Plot.text(rows, { frameAnchor: "left", y: (row) => row.at + 0.22, text: name,
        fill: "var(--ink)", stroke: "var(--paper)" }),
    ],
  });
}

function startRobustness() {
  for (const section of document.querySelectorAll(".robust")) {
    const view = carried(`data-robustness-${section.dataset.set}`);
    fill(section.querySelector("[data-plot]"), (width) => robustPlot(view, width));
  }
}

document.addEventListener("DOMContentLoaded", () => afterPaint(() => afterPaint(startRobustness)));
