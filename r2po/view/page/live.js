"use strict";
/* A page of runs keeps up with them: what is new is added, and the chosen iteration stays where the reader put it. */

const live = { following: false, busy: false, rows: new Map(), compared: 0, stale: false };
const COMPARE_APART_MS = 5000;
const MORE_MS = 700;

KEYS.push(["f", "follow: always the newest iteration", ["f"]], ["a", "all runs", ["a"]]);
ACTIONS.f = () => follows(!live.following);
ACTIONS.a = () => { location.href = "/"; };

/** Follow the newest iteration, or stay. */
function follows(on) {
  live.following = on;
  find("#follow").setAttribute("aria-pressed", on);
  if (on) choose(run.core.iterations.length - 1);
}

const isNewest = () => run.at === run.core.iterations.length - 1;

// Who chooses another iteration than the newest wants to stay there.
view(() => {}, () => { if (live.following && !isNewest()) follows(false); });

/** The runs that this page shows, as the server calls them. */
function shownRuns() {
  return hasOverview() ? (new URLSearchParams(location.search).get("runs") || "").split(",") : [nameOf("run")];
}

async function takeChanges(changes) {
  for (const each of changes.runs) live.rows.set(each.id, each);
  if (run.core && changes.gone.includes(nameOf(run.id))) missed("This run is no longer there: this page shows what it was.");
  if (changes.runs.length && (!changes.whole || (overview && overview.waiting))) live.stale = true;
  if (overview && live.stale && Date.now() - live.compared > COMPARE_APART_MS) await compareAnew();
  if (!run.core || live.busy) return;
  const row = live.rows.get(nameOf(run.id));
  if (row && (row.stamp !== run.core.stamp || row.state !== run.core.state)) await refresh();
}

/** Read the comparison anew. */
async function compareAnew() {
  Object.assign(live, { compared: Date.now(), stale: false });
  overview = await readBlock("overview");
  drawOverview();
}

/** Read the run anew that is shown. What shows the chosen iteration alone is only drawn anew if that is another one. */
async function refresh() {
  live.busy = true;
  try {
    const { id } = run;
    const core = await readBlock(`${id}-core`);
    if (run.id !== id) return;
    const moved = takeNewer(id, core);
    for (const each of views) if (moved || !each.stays) each.draw();
    await readNewer(id, moved);
  } finally {
    live.busy = false;
  }
}

/** Take in a newer core, and keep texts, rollouts and the chosen iteration; returns whether another one is chosen. */
function takeNewer(id, core) {
  const { texts, rollouts, more } = run;
  const { motion, maps } = run.core;
  const n = iteration() && iteration().n;
  takeCore(id, rollouts ? { ...core, motion, maps } : core);
  Object.assign(run, { texts, rollouts, more });
  const last = run.core.iterations.length - 1;
  run.at = live.following ? Math.max(0, last) : run.places.get(n) ?? Math.max(0, last);
  remember(false);
  return !iteration() || iteration().n !== n;
}

/** Read the texts and rollouts that came with it. */
async function readNewer(id, moved) {
  const texts = await readBlock(`${id}-texts`);
  if (run.id !== id) return;
  const lacked = moved || !iteration() || !run.texts || !callsOf(iteration().n).length;
  takeTexts(texts);
  if (lacked) { drawDetail(); drawPrompts(); }
  await readMore();
}

/** Read the rollouts that are there by now. */
async function readMore() {
  const { id } = run;
  const motion = await readBlock(`${id}-motion`, run.rollouts ? run.rollouts.size : 0);
  if (run.id !== id) return;
  const lacked = here().some((each) => !run.rollouts || !run.rollouts.has(each.place));
  takeRollouts(motion);
  if (lacked && here().some((each) => run.rollouts.has(each.place))) drawStage();
  say(find("#motion-words"), run.core.motion);
}

/** Rolling out again takes a while: ask for more as long as there is more to come. */
async function wantMore() {
  if (run.core && run.rollouts && run.more && !live.busy && !document.hidden) {
    live.busy = true;
    try { await readMore(); } catch { run.more = false; } finally { live.busy = false; }
  }
  setTimeout(wantMore, MORE_MS);
}

function listenToSource() {
  find("#follow").addEventListener("click", () => follows(!live.following));
  keepAsking(takeChanges, shownRuns);
  wantMore();
}
