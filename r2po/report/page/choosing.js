"use strict";
/* The chosen iteration is the only state of the page. It stands in the address, so that it can be linked. */

const views = [];

/** Declare what is drawn anew when another iteration is chosen, when the width or the colours change, or data came.
    What is `stays` shows the chosen iteration alone: it need not be drawn anew when others are added. */
const view = (draw, move, stays = false) => views.push({ draw, move: move || draw, stays });

const iteration = () => run.core.iterations[run.at];

/** Choose an iteration by its place; `keep` leaves a step in the history, so that Back returns to where one was. */
function choose(at, keep) {
  const last = run.core.iterations.length - 1;
  const place = Math.max(0, Math.min(last, at));
  if (place === run.at || last < 0) return;
  run.at = place;
  remember(keep);
  for (const each of views) each.move();
}

/** Put what is shown into the address, as a step of its own that Back leaves again, or in place of the last one. */
function remember(keep) {
  const at = iteration() ? [`i=${iteration().n}`] : [];
  const address = `#${[...(run.id === "run" ? [] : [`run=${run.id}`]), ...at].join("&")}`;
  try {
    if (keep) history.pushState(null, "", address);
    else history.replaceState(null, "", address);
  } catch { /* A page that another one holds may have no address of its own. */ }
}

/** What the address asks for. */
function asked() {
  const fields = new URLSearchParams(location.hash.slice(1));
  return { id: fields.get("run"), n: fields.has("i") ? Number(fields.get("i")) : null };
}

function chooseNumber(n, keep) {
  const place = run.places.get(n);
  if (place !== undefined) choose(place, keep);
}

const bestPlace = () => (run.core.best == null ? run.core.iterations.length - 1 : run.places.get(run.core.best));

/** The next iteration, in a direction, that set a new best. */
function newBest(direction) {
  for (let at = run.at + direction; at >= 0 && at < run.core.iterations.length; at += direction) {
    if (run.core.iterations[at].is_best) return at;
  }
  return run.at;
}

const drawAll = () => { for (const each of views) each.draw(); };

view(() => {
  const each = iteration();
  const total = run.core.iterations.length;
  find("#slider").max = Math.max(1, total);
  find("#slider").value = run.at + 1;
  find("#slider").setAttribute("aria-valuetext", each ? `iteration ${each.n}` : "no iteration");
  say(find("#now"), each ? `Iteration ${each.n} of ${run.core.iterations[total - 1].n}` : "No iteration yet");
  say(find("#now-rewards"), each ? `mean ${number(each.reward)}, best ${number(each.best)}` : "");
});

function listenToControls() {
  find("#slider").addEventListener("input", (event) => choose(Number(event.target.value) - 1));
  find("#previous").addEventListener("click", () => choose(run.at - 1));
  find("#next").addEventListener("click", () => choose(run.at + 1));
  find("#to-best").addEventListener("click", () => choose(bestPlace(), true));
}
