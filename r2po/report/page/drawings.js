"use strict";
/* A drawing for each task whose states are a vector: from the state alone, nothing was rendered. */

/** Cart and pole; angles are taken from upright, a second one from the first. */
function cart(context, width, height, x, angles, half) {
  const scale = width / (2.3 * half);
  const ground = height * 0.8;
  const length = (height * 0.62) / angles.length;
  context.strokeStyle = colour("--line");
  context.lineWidth = 2;
  stroke(context, [0, ground], [width, ground]);
  context.setLineDash([4, 5]);
  for (const end of [-half, half]) stroke(context, [width / 2 + end * scale, ground - height * 0.55], [width / 2 + end * scale, ground + 12]);
  context.setLineDash([]);
  const middle = width / 2 + x * scale;
  context.fillStyle = colour("--ink");
  box(context, middle - 30, ground - 20, 60, 24, 5);
  let from = [middle, ground - 18];
  let lean = 0;
  angles.forEach((angle, at) => {
    lean += angle;
    const to = [from[0] + Math.sin(lean) * length, from[1] - Math.cos(lean) * length];
    limb(context, from, to, 8, at ? "--revision" : "--proposal");
    from = to;
  });
  context.fillStyle = colour("--revision");
  disc(context, middle, ground - 18, 5);
}

function hill(context, width, height, place, goal) {
  const x = (p) => ((p + 1.2) / 1.8) * width;
  const y = (p) => height * 0.9 - (Math.sin(3 * p) * 0.45 + 0.55) * height * 0.7;
  context.strokeStyle = colour("--mute");
  context.lineWidth = 2;
  stroke(context, ...d3.range(-1.2, 0.6001, 0.02).map((p) => [x(p), y(p)]));
  context.strokeStyle = context.fillStyle = colour("--best");
  context.lineWidth = 3;
  stroke(context, [x(goal), y(goal)], [x(goal), y(goal) - 34]);
  context.beginPath();
  context.moveTo(x(goal), y(goal) - 34);
  context.lineTo(x(goal) + 18, y(goal) - 27);
  context.lineTo(x(goal), y(goal) - 20);
  context.fill();
  context.save();
  context.translate(x(place), y(place));
  context.rotate(Math.atan2(y(place + 0.01) - y(place - 0.01), x(place + 0.01) - x(place - 0.01)));
  context.fillStyle = colour("--ink");
  box(context, -20, -24, 40, 15, 4);
  context.fillStyle = colour("--proposal");
  for (const wheel of [-11, 11]) disc(context, wheel, -7, 6);
  context.restore();
}

const FRAME_S = 0.04;

/** Where the swimmer's tip has been: its speeds, added up over the kept states. */
function swimmerTrail(rollout) {
  if (!rollout.trail) {
    let place = [0, 0];
    rollout.trail = rollout.states.map((state, at) => {
      const was = place;
      const steps = at + 1 < rollout.at.length ? rollout.at[at + 1] - rollout.at[at] : 0;
      place = [place[0] + state[3] * FRAME_S * steps, place[1] + state[4] * FRAME_S * steps];
      return was;
    });
  }
  return rollout.trail;
}

function swimmer(context, width, height, state, rollout, at) {
  const trail = swimmerTrail(rollout);
  const whole = Math.floor(at);
  const next = trail[Math.min(whole + 1, trail.length - 1)];
  const tip = trail[whole].map((value, axis) => value + (next[axis] - value) * (at - whole));
  const scale = Math.min(width / 5, height / 2.6);
  const x = (value) => width / 2 + (value - tip[0] + 1.2) * scale;
  const y = (value) => height / 2 - (value - tip[1]) * scale;
  context.strokeStyle = colour("--line");
  context.lineWidth = 1;
  const first = Math.ceil(tip[0] - 1.2 - width / 2 / scale);
  for (let metre = first; x(metre) < width; metre += 1) stroke(context, [x(metre), 0], [x(metre), height]);
  context.strokeStyle = colour("--chosen");
  context.globalAlpha = 0.45;
  context.lineWidth = 2;
  context.beginPath();
  d3.line().curve(d3.curveCatmullRom).context(context)([...trail.slice(0, whole + 1), tip].map((place) => [x(place[0]), y(place[1])]));
  context.stroke();
  context.globalAlpha = 1;
  let from = tip;
  let angle = state[0];
  [0, state[1], state[2]].forEach((turn, link) => {
    angle += turn;
    const to = [from[0] - Math.cos(angle), from[1] - Math.sin(angle)];
    limb(context, [x(from[0]), y(from[1])], [x(to[0]), y(to[1])], Math.max(5, scale * 0.1), ["--proposal", "--revision", "--best"][link]);
    from = to;
  });
}

function pong(context, width, height, [paddle, ballX, ballY]) {
  const scale = Math.min(width / 800, height / 600);
  const left = (width - 800 * scale) / 2;
  const top = (height - 600 * scale) / 2;
  context.strokeStyle = colour("--line");
  context.lineWidth = 2;
  context.strokeRect(left, top, 800 * scale, 600 * scale);
  context.setLineDash([4, 6]);
  stroke(context, [left + 400 * scale, top], [left + 400 * scale, top + 600 * scale]);
  context.setLineDash([]);
  context.fillStyle = colour("--revision");
  context.fillRect(left, top + (paddle - 40) * scale, Math.max(5, 10 * scale), 80 * scale);
  context.fillStyle = colour("--proposal");
  context.fillRect(left + ballX * scale, top + ballY * scale, Math.max(6, 10 * scale), Math.max(6, 10 * scale));
}

/** A chain of limbs from a joint; each angle is from straight down, counter-clockwise. */
function pendulum(context, width, height, angles) {
  const length = (height * 0.42) / angles.length;
  let from = [width / 2, height / 2];
  context.fillStyle = colour("--ink");
  angles.forEach((angle, at) => {
    const to = [from[0] + Math.sin(angle) * length, from[1] + Math.cos(angle) * length];
    limb(context, from, to, 9, at ? "--revision" : "--proposal");
    from = to;
  });
  disc(context, width / 2, height / 2, 6);
}

const NAMES_WIDTH = 58;

/** Any other vector: each of its numbers over time, with the moment that is shown. */
function traces(context, width, height, _state, rollout, at) {
  const { states, lo, hi } = rollout;
  const many = Math.min(states[0].length, Math.floor(height / 14));
  const row = height / many;
  const x = (place) => NAMES_WIDTH + (place / Math.max(1, states.length - 1)) * (width - NAMES_WIDTH - 8);
  context.font = "11.5px system-ui, sans-serif";
  context.textBaseline = "middle";
  for (let number = 0; number < many; number += 1) {
    const y = (value) => (number + 0.88) * row - 0.76 * row * ((value - lo[number]) / (hi[number] - lo[number] || 1));
    context.strokeStyle = colour("--revision");
    context.lineWidth = 1.3;
    stroke(context, ...states.map((each, place) => [x(place), y(each[number])]));
    context.fillStyle = colour("--mute");
    context.fillText(`s[${number}]`, 8, (number + 0.5) * row);
  }
  context.strokeStyle = colour("--chosen");
  context.lineWidth = 2;
  stroke(context, [x(at), 0], [x(at), height]);
}

/** By the name of the task: context, width, height, state, rollout, place among the kept states. */
const DRAWINGS = {
  cartpole: (c, w, h2, s) => cart(c, w, h2, s[0], [s[2]], 2.4),
  invertedpendulum: (c, w, h2, s) => cart(c, w, h2, s[0], [s[1]], 1),
  inverteddoublependulum: (c, w, h2, s) => cart(c, w, h2, s[0], [Math.atan2(s[1], s[3]), Math.atan2(s[2], s[4])], 1),
  mountaincar: (c, w, h2, s) => hill(c, w, h2, s[0], 0.5),
  mountaincarcontinuous: (c, w, h2, s) => hill(c, w, h2, s[0], 0.45),
  swimmer,
  pong,
  pendulum: (c, w, h2, s) => pendulum(c, w, h2, [Math.PI + Math.atan2(s[1], s[0])]),
  acrobot: (c, w, h2, s) => pendulum(c, w, h2, [Math.atan2(s[1], s[0]), Math.atan2(s[1], s[0]) + Math.atan2(s[3], s[2])]),
};
