/* Ranked models. */

function showRanking() {
  return { features: [], parameters: [] };
}
