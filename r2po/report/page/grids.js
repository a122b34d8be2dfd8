"use strict";
/* Tasks whose states are numbers: a policy as arrows on its map, and the sticks of Nim. */

function gridPlaces(width, height) {
  const map = run.core.maps;
  const side = Math.min((width - 8) / map.width, (height - 8) / map.height);
  const left = (width - side * map.width) / 2;
  const top = (height - side * map.height) / 2;
  const x = (state) => left + ((state % map.width) + 0.5) * side;
  const y = (state) => top + (Math.floor(state / map.width) + 0.5) * side;
  return { map, side, x, y };
}

const CELLS = { H: "--hole", G: "--best", S: "--start", F: "--card" };

function gridCells(context, { map, side, x, y }) {
  Array.from(map.cells).forEach((letter, state) => {
    context.fillStyle = colour(CELLS[letter]);
    box(context, x(state) - side / 2 + 1.5, y(state) - side / 2 + 1.5, side - 3, side - 3, Math.min(6, side / 6));
  });
  context.strokeStyle = colour("--ink");
  context.lineWidth = Math.max(3, side / 14);
  for (const [one, other] of map.walls) {
    const across = other === one + 1;
    const middle = [(x(one) + x(other)) / 2, (y(one) + y(other)) / 2];
    const half = side / 2;
    stroke(context, [middle[0] - (across ? 0 : half), middle[1] - (across ? half : 0)], [middle[0] + (across ? 0 : half), middle[1] + (across ? half : 0)]);
  }
}

function gridArrows(context, { map, side, x, y }, candidate, other) {
  candidate.params.forEach((action, state) => {
    const move = map.moves[action];
    if (!move || "HG".includes(map.cells[state])) return;
    const edited = other && other.params[state] !== action;
    context.strokeStyle = context.fillStyle = colour(edited ? "--chosen" : "--mute");
    const length = side * 0.56;
    arrow(context, x(state) - (move[0] * length) / 2, y(state) - (move[1] * length) / 2, move[0] * length, move[1] * length, edited ? 3.4 : 2);
  });
}

/** The map, the policy on it with what was edited, the way so far, and where it is. */
function grid(context, width, height, rollout, at, candidate) {
  const places = gridPlaces(width, height);
  gridCells(context, places);
  if (candidate.params) gridArrows(context, places, candidate, comparedWith(candidate));
  const { side, x, y } = places;
  context.strokeStyle = colour("--proposal");
  context.globalAlpha = 0.55;
  context.lineWidth = Math.max(2, side / 16);
  const way = rollout.s.slice(0, Math.floor(at) + 1);
  stroke(context, ...way.map((state) => [x(state), y(state)]));
  context.globalAlpha = 1;
  const state = way[way.length - 1];
  context.fillStyle = colour("--proposal");
  disc(context, x(state), y(state), side * 0.2);
}

const STICKS = 10;

/** The sticks that are left; those that are gone in the colour of who took them. */
function nim(context, width, height, rollout, at) {
  const now = Math.floor(at);
  const takers = [];
  for (let move = 0; move < now; move += 1) {
    const own = Math.min(rollout.a ? rollout.a[move] : 0, rollout.s[move]);
    const gone = rollout.s[move] - rollout.s[move + 1];
    takers.push(...Array(Math.min(own, gone)).fill("--revision"), ...Array(Math.max(0, gone - own)).fill("--below"));
  }
  const gap = Math.min(46, width / (STICKS + 1));
  for (let stick = 0; stick < STICKS; stick += 1) {
    const taken = STICKS - 1 - stick < takers.length ? takers[STICKS - 1 - stick] : null;
    const middle = width / 2 + (stick - (STICKS - 1) / 2) * gap;
    context.globalAlpha = taken ? 0.35 : 1;
    limb(context, [middle, height * 0.3], [middle, height * 0.82], 8, taken || "--stick");
  }
  context.globalAlpha = 1;
  context.fillStyle = colour("--ink");
  context.font = "600 22px system-ui, sans-serif";
  context.textAlign = "center";
  context.fillText(`${rollout.s[now]} left`, width / 2, height * 0.18);
  context.textAlign = "left";
}

/** States without a map: the number over time. */
function numbered(context, width, height, rollout, at) {
  const top = d3.max(rollout.s);
  const states = rollout.s.map((state) => [state]);
  traces(context, width, height, null, { states, lo: [d3.min(rollout.s)], hi: [top] }, at);
}

function drawNumbered(context, width, height, rollout, at, candidate) {
  if (run.core.maps) grid(context, width, height, rollout, at, candidate);
  else if (run.core.head.task === "nim") nim(context, width, height, rollout, at);
  else numbered(context, width, height, rollout, at);
}
