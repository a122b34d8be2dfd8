"use strict";
/* Asking the server what has changed: often while something runs, seldom otherwise, not while nobody looks. */

const OFTEN_MS = 2000;
const AT_ONCE_MS = 50;
const SELDOM_MS = 10000;

const asking = { cursor: 0, timer: 0, under: false, take: null, only: () => null };

/** Ask again and again, and hand each answer to `take`; `only` gives the runs to ask for, or nothing for all. */
function keepAsking(take, only) {
  Object.assign(asking, { take, only });
  document.addEventListener("visibilitychange", () => { if (!document.hidden) ask(); });
  return ask();
}

function laterOn(milliseconds) {
  clearTimeout(asking.timer);
  if (!document.hidden) asking.timer = setTimeout(ask, milliseconds);
}

async function ask() {
  if (asking.under || document.hidden) return;
  asking.under = true;
  let pause = SELDOM_MS;
  try {
    const only = asking.only();
    const answer = await fetch(`/api/changes?since=${asking.cursor}${only ? `&only=${only.join(",")}` : ""}`);
    if (!answer.ok) throw new Error(answer.status === 403 ? "stale" : await answer.text());
    const changes = await answer.json();
    asking.cursor = changes.cursor;
    pause = changes.reading ? AT_ONCE_MS : changes.busy ? OFTEN_MS : SELDOM_MS;
    await asking.take(changes);
    say(find("#live"), "");
  } catch (error) {
    say(find("#live"), unanswered(error));
  } finally {
    asking.under = false;
    laterOn(pause);
  }
}

/** Say why the page does not keep up. */
function unanswered(error) {
  if (error.message === "stale") return "The server was started anew: open the address that it printed.";
  if (error instanceof TypeError) return "The server does not answer: it has ended, or the tunnel to it has. This page shows what was there before.";
  return `This page does not keep up: ${error.message}`;
}
