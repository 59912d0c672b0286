/* Pictures of how each density estimator was held to simulations that it was not trained on. */

const thousandths = (values) => values.map((value) => (value === null ? NaN : value / 1000));
const PLOT_HEIGHT = 250;

function calibrationPlot(label, width, options) {
  return picture(label, {
    width, height: PLOT_HEIGHT, marginLeft: 46, marginBottom: 38, marginTop: 12, ...options,
    x: { labelAnchor: "center", labelArrow: "none", ticks: 5, ...options.x },
    y: { labelArrow: "none", ticks: 5, label: null, ...options.y },
  });
}

/** How far the ranks of each parameter are from uniform, with a band for all at once. */
function sbcPlot(view, width) {
  const edges = Object.fromEntries(
    Object.entries(view.sbc.edges).map(([name, values]) => [name, thousandths(values)]));
  const band = edges.rank.map((rank, at) => ({ rank, low: edges.lower[at], high: edges.upper[at] }));
  const curves = Object.entries(view.sbc.curves).map(([name, values]) => {
    const deviations = thousandths(values);
    const out = deviations.some((value, at) => value < edges.lower[at] || value > edges.upper[at]);
    return { name, out, points: deviations.map((y, at) => ({ x: edges.rank[at], y })) };
  });
  const outside = curves.filter((curve) => curve.out).length;
  return calibrationPlot(`Ranks of ${curves.length} parameters, ${outside} leave the band`, width, {
    x: { label: "Rank of the true value, as a share", domain: [0, 1] },
    marks: [
      Plot.areaY(band, { x: "rank", y1: "low", y2: "high", fill: "var(--soft)", fillOpacity: 0.16 }),
      Plot.ruleY([0], { stroke: "var(--soft)", strokeDasharray: "4 3" }),
      curves.map((curve) => Plot.lineY(curve.points, { x: "x", y: "y",
        stroke: curve.out ? "var(--bad)" : "var(--post)", strokeWidth: curve.out ? 1.8 : 1,
        strokeOpacity: curve.out ? 1 : 0.6, title: () => curve.name })),
    ],
  });
}

/** Share of true parameters inside, by level; the band lies around the diagonal or the line. */
function coveragePlot(label, axis) {
  return (view, width, name) => {
    const columns = Object.fromEntries(
      Object.entries(view.curves[name]).map(([each, values]) => [each, thousandths(values)]));
    const rows = columns.level.map((level, at) =>
      ({ level, low: columns.lower[at], high: columns.upper[at], covered: columns.covered[at] }));
    return calibrationPlot(label, width, {
      x: { label: axis, domain: [0, 1] }, y: { domain: [0, 1] },
      marks: [
        Plot.areaY(rows, { x: "level", y1: "low", y2: "high", fill: name === "tarp" ? "var(--post)" : "var(--soft)",
          fillOpacity: 0.18 }),
        Plot.line([[0, 0], [1, 1]], { stroke: "var(--soft)", strokeDasharray: "4 3" }),
        Plot.lineY(rows, { x: "level", y: "covered", stroke: "var(--post)", strokeWidth: 2 }),
      ],
    });
  };
}

/** Log-density of the true parameters of each held-out simulation, and its mean. */
function logProbPlot(view, width) {
  const posterior = thousandths(view.simulations.log_prob || []);
  const gaussian = thousandths(view.simulations.gaussian || []);
  const rows = [
    ...posterior.map((x, at) => ({ x, y: 0.5 + 0.55 * ((at * 0.6180339887) % 1 - 0.5), of: "posterior" })),
    ...gaussian.map((x, at) => ({ x, y: 1.5 + 0.55 * ((at * 0.6180339887) % 1 - 0.5), of: "Gaussian" })),
  ].filter((row) => Number.isFinite(row.x));
  const mean = (of) => {
    const some = rows.filter((row) => row.of === of);
    return some.reduce((sum, row) => sum + row.x, 0) / some.length;
  };
  const means = [["posterior", 0], ["Gaussian", 1]].filter(([of]) => rows.some((row) => row.of === of))
    .map(([of, y]) => ({ x: mean(of), y1: y + 0.12, y2: y + 0.88, y: y + 0.04,
      text: `${of}, mean ${brief(mean(of))}` }));
  return calibrationPlot(means.map((each) => each.text).join("; "), width, {
    marginLeft: 8,
    x: { label: "Log-density of the true parameters (nat), prior = 0" },
    y: { axis: null, domain: [2, -0.1] },
    marks: [
      Plot.ruleX([0], { stroke: "var(--soft)", strokeDasharray: "4 3" }),
      Plot.dot(rows, { x: "x", y: "y", r: 2, fill: "var(--post)", fillOpacity: 0.5 }),
      Plot.ruleX(means, { x: "x", y1: "y1", y2: "y2", stroke: "var(--ink)", strokeWidth: 2 }),
      Plot.text(means, { frameAnchor: "left", y: "y", text: "text", fill: "var(--ink)", stroke: "var(--paper)" }),
    ],
  });
}

/** Shrinkage that the posterior claims against what its mean achieves. */
function shrinkagePlot(view, width) {
  const { parameter, shrinkage, achieved } = view.parameters;
  const rows = parameter.map((name, at) => ({ name, x: shrinkage[at], y: achieved[at] }))
    .filter((row) => row.x !== null && row.y !== null);
  const low = Math.min(0, ...rows.flatMap((row) => [row.x, row.y])) - 0.03;
  const high = Math.max(0.2, ...rows.flatMap((row) => [row.x, row.y])) + 0.03;
  return calibrationPlot(`Claimed against achieved shrinkage of ${rows.length} parameters`, width, {
    x: { label: "Claimed: 1 − posterior / prior variance", domain: [low, high] },
    y: { label: "Achieved", domain: [low, high] }, marginTop: 24,
    marks: [
      Plot.line([[low, low], [high, high]], { stroke: "var(--soft)", strokeDasharray: "4 3" }),
      Plot.ruleX([0], { stroke: "var(--line)" }),
      Plot.ruleY([0], { stroke: "var(--line)" }),
      Plot.dot(rows, { x: "x", y: "y", r: 3.5, fill: "var(--post)", fillOpacity: 0.75,
        title: (row) => `${meaningOf(row.name)}: claimed ${brief(row.x)}, achieved ${brief(row.y)}` }),
    ],
  });
}

/** How odd each observation is among the training simulations, by each score. */
function misfitPlot(view, width) {
  const { keys, scores } = view.observations;
  const names = Object.keys(scores);
  const rows = names.flatMap((name, score) => scores[name].map((p, at) => ({ p, key: keys[at],
    y: score + 0.56 + 0.5 * ((at * 0.6180339887) % 1 - 0.5) })))
    .filter((row) => row.p !== null && row.p > 0);
  const least = Math.min(0.005, ...rows.map((row) => row.p));
  const heads = names.map((name, at) => ({ y: at + 0.08, text: name.length < 4 ? name.toUpperCase() : name.replaceAll("_", " ") }));
  const outside = rows.filter((row) => row.p <= 0.01).length;
  return calibrationPlot(`${rows.length} scores of observations, ${outside} at 0.01 or less`, width, {
    marginLeft: 12, marginRight: 14,
    x: { type: "log", label: "Share of simulations at least as odd (p)", domain: [least, 1],
      ticks: [0.001, 0.01, 0.1, 1].filter((p) => p >= least), tickFormat: (p) => String(p) },
    y: { axis: null, domain: [names.length, -0.1] },
    marks: [
      Plot.ruleX([0.01], { stroke: "var(--bad)", strokeDasharray: "4 3" }),
      Plot.dot(rows, { x: "p", y: "y", r: 3, fill: "var(--post)", fillOpacity: 0.6,
        title: (row) => `${row.key}: ${brief(row.p)}` }),
      Plot.text(heads, { frameAnchor: "left", y: "y", text: "text", fill: "var(--ink)", stroke: "var(--paper)" }),
    ],
  });
}

const CALIBRATION_PLOTS = {
  sbc: sbcPlot,
  coverage: coveragePlot("Expected coverage by level", "Level of the region"),
  tarp: coveragePlot("Coverage around random points by level", "Credibility level"),
  log_prob: logProbPlot,
  shrinkage: shrinkagePlot,
  misspecification: misfitPlot,
};

/** Whether a picture has anything to show. */
function hasPoints(view, name) {
  if (name === "sbc") return Object.keys(view.sbc.curves).length > 0 && view.sbc.edges.rank.length > 0;
  if (name in view.curves) return view.curves[name].level.length > 0;
  if (name === "log_prob") return view.n_simulations > 0;
  if (name === "shrinkage") return view.parameters.parameter.length > 0;
  return Object.keys(view.observations.scores).length > 0 && view.observations.keys.length > 0;
}

function startCalibration() {
  for (const section of document.querySelectorAll(".calibrated")) {
    const view = carried(`data-calibration-${section.dataset.dgm}`);
    for (const place of section.querySelectorAll("[data-plot]")) {
      const name = place.dataset.plot;
      if (hasPoints(view, name)) fill(place, (width) => CALIBRATION_PLOTS[name](view, width, name));
      else place.replaceChildren(make("p", { class: "empty" }, "Nothing was recorded."));
    }
  }
}

document.addEventListener("DOMContentLoaded", () => afterPaint(() => afterPaint(startCalibration)));
