/* Findings: which are shown, by severity, data set and words. */

function startFindings() {
  const form = byId("filters");
  const findings = [...document.querySelectorAll("#findings .finding")];
  if (!form || !findings.length) return;
  form.hidden = false;
  form.addEventListener("submit", (event) => event.preventDefault());
  const texts = findings.map((each) => each.textContent.toLowerCase());
  const filter = () => {
    const severities = [...form.querySelectorAll("[name=severity]:checked")].map((each) => each.value);
    const dataset = byId("finding-dataset").value;
    const words = byId("finding-words").value.toLowerCase().split(/\s+/).filter(Boolean);
    findings.forEach((each, at) => {
      each.hidden = !(severities.includes(each.dataset.severity) &&
        (!dataset || each.dataset.dataset === dataset) &&
        words.every((word) => texts[at].includes(word)));
    });
    for (const heading of document.querySelectorAll("#findings h3[data-severity]")) {
      heading.hidden = !findings.some((each) => !each.hidden && each.dataset.severity === heading.dataset.severity);
    }
    const shown = findings.filter((each) => !each.hidden).length;
    byId("finding-count").textContent = `${shown} of ${findings.length} findings on this page are shown.`;
  };
  form.addEventListener("input", filter);
  filter();
}

document.addEventListener("DOMContentLoaded", startFindings);
