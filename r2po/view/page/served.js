"use strict";
/* Where blocks come from: from the server that gave this page. */

const UNREADABLE = "This cannot be shown.";

const hasOverview = () => location.pathname === "/compare";

/** What the server calls the run that the page calls by a name: a page of a single run has it in its address. */
const nameOf = (id) => (id === "run" ? location.pathname.split("/")[2] : id);

/** Texts and rollouts are asked for as they were when the core was read that is shown: else each would be another reading. */
function addressOf(name, after) {
  if (name === "overview") return `/api/compare${location.search}`;
  const [id, block] = name.split("-");
  const shown = block !== "core" && run.core && run.id === id ? run.core.stamp : "";
  return `/api/run/${nameOf(id)}/${block}?after=${after}&stamp=${shown}`;
}

/** Return the values of a block; of rollouts, those after the first `after`. */
async function readBlock(name, after = 0) {
  const answer = await fetch(addressOf(name, after));
  const text = await answer.text();
  if (!answer.ok) throw new Error(text);
  return inflated(text);
}
