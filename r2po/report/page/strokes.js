"use strict";
/* What drawings of environments are made of. */

function stroke(context, ...points) {
  context.beginPath();
  points.forEach(([x, y], at) => (at ? context.lineTo(x, y) : context.moveTo(x, y)));
  context.stroke();
}

function disc(context, x, y, radius) {
  context.beginPath();
  context.arc(x, y, radius, 0, 2 * Math.PI);
  context.fill();
}

function box(context, x, y, width, height, radius) {
  context.beginPath();
  context.roundRect(x, y, width, height, radius);
  context.fill();
}

/** A bar with round ends, such as a pole or a limb. */
function limb(context, from, to, width, name) {
  context.strokeStyle = colour(name);
  context.lineWidth = width;
  context.lineCap = "round";
  stroke(context, from, to);
  context.lineCap = "butt";
}

/** An arrow that is as long as `x`, `y` say. */
function arrow(context, fromX, fromY, x, y, width) {
  const length = Math.hypot(x, y);
  if (length < 2) return;
  const head = Math.min(length, 4 + 2 * width);
  const angle = Math.atan2(y, x);
  context.lineWidth = width;
  stroke(context, [fromX, fromY], [fromX + x - Math.cos(angle) * head, fromY + y - Math.sin(angle) * head]);
  context.save();
  context.translate(fromX + x, fromY + y);
  context.rotate(angle);
  context.beginPath();
  context.moveTo(0, 0);
  context.lineTo(-head, -head * 0.6);
  context.lineTo(-head, head * 0.6);
  context.fill();
  context.restore();
}
