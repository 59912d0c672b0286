/* Pictures of one observation, drawn by Observable Plot as SVG. Colours are the page's own. */

const LOOK = { fontFamily: "inherit", fontSize: "12px", background: "none" };
const decades = (value) => (value === null ? NaN : value / 1000);

/** A picture with a name for those who do not see it. */
function picture(label, options) {
  const svg = Plot.plot({ style: LOOK, ...options });
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", label);
  return svg;
}

/** A line of a legend; with `control`, a box to show or hide what it stands for. */
function legendEntry(kind, text, control) {
  const swatch = make("i", { class: `swatch ${kind}`, "aria-hidden": "true" });
  if (!control) return make("span", {}, swatch, text);
  return make("label", { class: "switch" }, control, swatch, make("span", {}, text));
}

/** The target's spectrum over its models' bands, on logarithmic axes. */
function spectrumChart(set, observation, best, others, width) {
  const rows = (values) => set.hz.map((hz, at) => ({ hz, power: decades(values[at]) }));
  const models = observation.models;
  const band = models && models.quantiles
    ? set.hz.map((hz, at) => ({ hz, q: models.quantiles.map((values) => decades(values[at])) }))
    : [];
  const line = (values, options) => Plot.lineY(rows(values), { x: "hz", y: "power", ...options });
  const noise = models ? models.noise : [];
  return picture(
    `Power spectrum of ${observation.key}, logarithmic axes, ${set.range[0]} to ${set.range[1]} Hz` +
      (band.length ? `, over the spread of ${models.usable} models.` : "."),
    {
      width,
      height: Math.round(Math.min(380, Math.max(240, width * 0.5))),
      marginLeft: 46,
      marginBottom: 40,
      marginTop: 26,
      x: { type: "log", label: "Frequency (Hz)", labelAnchor: "center", labelArrow: "none",
        ticks: [1, 10, 100], tickFormat: (hz) => String(hz) },
      y: { label: set.shape ? "log₁₀ power, minus its mean" : "log₁₀ power (Hz²/Hz)",
        labelArrow: "none", ticks: 5 },
      marks: [
        Plot.gridX({ stroke: "var(--grid)", strokeOpacity: 1, ticks: [1, 10, 100] }),
        Plot.gridY({ stroke: "var(--grid)", strokeOpacity: 1, ticks: 5 }),
        others.map((values) => line(values, { stroke: "var(--others)", strokeWidth: 1 })),
        Plot.areaY(band, { x: "hz", y1: (row) => row.q[0], y2: (row) => row.q[4], fill: "var(--post)", fillOpacity: 0.16 }),
        Plot.areaY(band, { x: "hz", y1: (row) => row.q[1], y2: (row) => row.q[3],
          fill: "var(--post)", fillOpacity: 0.22 }),
        best.map((values) => line(values, { stroke: "var(--post)", strokeWidth: 0.8, strokeOpacity: 0.7 })),
        Plot.lineY(band, { x: "hz", y: (row) => row.q[2], stroke: "var(--post)", strokeWidth: 2 }),
        noise.map((values) =>
          line(values, { stroke: "var(--soft)", strokeWidth: 1.2, strokeDasharray: "4 3" })),
        line(observation.target, { stroke: "var(--ink)", strokeWidth: 1.6 }),
        Plot.ruleX(rows(observation.target), Plot.pointerX({ x: "hz", stroke: "var(--soft)" })),
        Plot.text(rows(observation.target), Plot.pointerX({
          px: "hz", frameAnchor: "top-right", dy: -16, fill: "var(--ink)",
          text: (row) => `${brief(row.hz)} Hz: target ${brief(row.power)}`,
        })),
      ],
    },
  );
}

/** Features of the models and of other observations as multiples of the target's. */
function featuresChart(set, observation, best, others, width) {
  const ROW = 46;
  const target = observation.target.map(decades);
  const models = observation.models && observation.models.quantiles ? observation.models : null;
  const relative = (values, at) =>
    values.map((value) => decades(value) - target[at]).filter(Number.isFinite);
  const spread = (count) => (index) => 0.48 + 0.36 * ((index * 0.6180339887) % 1) * Math.min(1, count);
  const dots = [], bars = [], names = [], beside = [], chosen = [];
  set.features.forEach((feature, at) => {
    const value = observation.values[at];
    names.push({ at, text: feature.label, right: value === null || !Number.isFinite(target[at])
      ? "no value" : `${brief(value)} ${feature.unit}`.trim(), conditioned: feature.conditioned });
    if (!Number.isFinite(target[at])) return;
    const jitter = spread(1);
    beside.push(...relative(others.map((row) => row[at]), at)
      .map((x, index) => ({ x: 10 ** x, y: at + jitter(index) })));
    chosen.push(...relative(best.map((row) => row[at]), at)
      .map((x, index) => ({ x: 10 ** x, y: at + jitter(index + 3) })));
    if (!models) return;
    dots.push(...relative(models.dots[at], at)
      .map((x, index) => ({ x: 10 ** x, y: at + jitter(index) })));
    const q = models.quantiles.map((row) => 10 ** (decades(row[at]) - target[at]));
    if (q.every(Number.isFinite)) bars.push({ y: at + 0.66, q });
  });
  const reach = [...dots, ...beside].map((dot) => Math.abs(Math.log10(dot.x)));
  const most = 10 ** Math.min(2, Math.max(0.35, ...reach) * 1.06);
  const ticks = (most < 12 ? [0.1, 0.5, 1, 2, 10] : [0.01, 0.1, 1, 10, 100]).filter((x) => x >= 1 / most && x <= most);
  return picture(
    `Features of the models of ${observation.key} as multiples of the target's, logarithmic axis.`,
    {
      width,
      height: set.features.length * ROW + 46,
      marginLeft: 18, marginRight: 18, marginTop: 2, marginBottom: 44,
      x: { type: "log", domain: [1 / most, most], clamp: true, ticks, labelAnchor: "center",
        labelArrow: "none", label: "Multiple of the target’s value",
        tickFormat: (x) => (x < 1 ? `1/${Math.round(1 / x)}` : String(x)) },
      y: { domain: [set.features.length, 0], axis: null },
      marks: [
        Plot.gridX(ticks, { stroke: "var(--grid)", strokeOpacity: 1 }),
        Plot.ruleY(names, { y: "at", stroke: "var(--line)" }),
        Plot.dot(beside, { x: "x", y: "y", r: 2.5, stroke: "var(--dot)", strokeWidth: 1 }),
        Plot.ruleY(bars, { y: "y", x1: (row) => row.q[0], x2: (row) => row.q[4],
          stroke: "var(--post)", strokeWidth: 2 }),
        Plot.ruleY(bars, { y: "y", x1: (row) => row.q[1], x2: (row) => row.q[3],
          stroke: "var(--post)", strokeWidth: 9, strokeOpacity: 0.35 }),
        Plot.dot(dots, { x: "x", y: "y", r: 2, fill: "var(--post)", fillOpacity: 0.55 }),
        Plot.dot(bars, { x: (row) => row.q[2], y: "y", r: 4, fill: "var(--post)",
          stroke: "var(--paper)", strokeWidth: 1.5 }),
        Plot.dot(chosen, { x: "x", y: "y", r: 4, stroke: "var(--ink)", strokeWidth: 1.2 }),
        Plot.ruleX([1], { stroke: "var(--ink)", strokeWidth: 2 }),
        [true, false].map((conditioned) => Plot.text(
          names.filter((row) => row.conditioned === conditioned),
          { frameAnchor: "left", y: (row) => row.at + 0.2, text: "text", stroke: "var(--paper)",
            fill: "var(--ink)", fontWeight: conditioned ? 600 : 400 })),
        Plot.text(names, { frameAnchor: "right", y: (row) => row.at + 0.2, text: "right",
          stroke: "var(--paper)", fill: "var(--ink)" }),
      ],
    },
  );
}

/** One marginal: histogram, prior, 5 % to 95 % and median, on the unit interval. */
function marginalChart(draws, at, top, label, options) {
  const density = draws.counts[at].map((count) => (count * draws.bins) / draws.n);
  const steps = density.flatMap((y, bin) => [
    { x: bin / draws.bins, y }, { x: (bin + 1) / draws.bins, y },
  ]);
  const below = -0.07 * top;
  const [low, middle, high] = draws.unit.map((row) => row[at]);
  return picture(label, {
    margin: 0, axis: null,
    x: { domain: [0, 1] },
    y: { domain: [-0.14 * top, top] },
    ...options,
    marks: [
      Plot.areaY(steps, { x: "x", y1: 0, y2: "y", fill: "var(--post)", fillOpacity: 0.22 }),
      Plot.lineY(steps, { x: "x", y: "y", stroke: "var(--post)", strokeWidth: 1.4 }),
      Plot.ruleY([1], { stroke: "var(--soft)", strokeDasharray: "4 3" }),
      Plot.ruleY([below], { x1: low, x2: high, stroke: "var(--ink)", strokeWidth: 3 }),
      Plot.ruleX([middle], { y1: -0.14 * top, y2: 0, stroke: "var(--ink)", strokeWidth: 1.5 }),
    ],
  });
}

/** The height that all marginals share. */
function commonTop(draws) {
  const most = Math.max(1, ...draws.counts.map((counts) => Math.max(...counts)));
  return Math.max(1.2, ((most * draws.bins) / draws.n) * 1.05);
}

/** All marginals as items of a list, each with symbol, median and bounds. */
function marginalItems(set, observation) {
  const { draws } = observation;
  const top = commonTop(draws);
  return set.bounds.map((bound, at) => {
    const [low, median, high] = draws.physical.map((row) => brief(row[at]));
    const label = `${meaningOf(bound.name)}: median ${median} ${bound.unit}, 5 % to 95 % ` +
      `${low} to ${high}, prior ${brief(bound.low)} to ${brief(bound.high)}`;
    return make("li", { title: meaningOf(bound.name) },
      make("p", { class: "top" }, symbolOf(bound.name),
        make("span", { class: "median" }, median, " ", make("small", {}, bound.unit))),
      marginalChart(draws, at, top, label, { width: 150, height: 84 }),
      make("p", { class: "ends" }, make("span", {}, brief(bound.low)), make("span", {}, brief(bound.high))));
  });
}
