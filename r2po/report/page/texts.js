"use strict";
/* Prompts and replies: put together again from lines that each stand once in the block. */

const MARK = "\u0001";

/** Put lines together that leave out the state which ended the line before, as the log does. */
function unfolded(lines) {
  const whole = [];
  for (const line of lines) {
    if (!line.startsWith("\u0000")) { whole.push(line); continue; }
    const before = whole[whole.length - 1];
    whole.push(`${before.slice(before.lastIndexOf("->") + 2)}->${line.slice(1)}`);
  }
  return whole;
}

/** Take in the block of texts: give each call the numbers of its lines, and keep each distinct line once. */
function takeTexts(block) {
  const numbers = new Map();
  const lines = [];
  for (const call of block.calls) {
    const folded = [];
    for (let at = 0; at < call.p.length; at += 2) {
      for (let more = 0; more < call.p[at + 1]; more += 1) folded.push(block.lines[call.p[at] + more]);
    }
    const whole = call.folds ? unfolded(folded) : folded;
    call.lines = Int32Array.from(whole, (line) => {
      let known = numbers.get(line);
      if (known === undefined) {
        known = lines.length;
        numbers.set(line, known);
        lines.push(line);
      }
      return known;
    });
  }
  run.texts = { lines, calls: block.calls, problem: block.problem, bareUntil: block.bare_until };
  run.texts.byIteration = d3.group(block.calls, (call) => call.i);
}

const callsOf = (n) => (run.texts && run.texts.byIteration.get(n)) || [];

/** The prompt of a call as one text: exactly what was sent, unless the page left rollouts out. */
const promptOf = (call) => Array.from(call.lines, (line) => run.texts.lines[line]).join("\n");
const isWhole = (call) => !call.folds || !Array.from(call.lines).some((line) => run.texts.lines[line].startsWith(MARK));

/** The call whose reply became a candidate. A run that was killed during a call and resumed asked the same once more. */
function callOf(candidate) {
  const same = candidate.call ? callsOf(candidate.i).filter((call) => call.key === candidate.call) : [];
  return same.find((call) => call.reply != null) || same[0];
}

/** The last answered call of the same role before this one, in an earlier iteration if there is one. */
function callBefore(call) {
  const all = run.texts.calls.filter((each) => each.role === call.role);
  const before = all.slice(0, all.indexOf(call)).filter((each) => each.reply != null);
  return before.findLast((each) => each.i < call.i && !each.refusal) || before[before.length - 1] || null;
}

/** Numbers of the iterations in which a prompt, a reply or thoughts hold a text; letter case does not count. */
function iterationsWith(sought) {
  const wanted = sought.toLowerCase();
  const holding = run.texts.lines.map((line) => line.toLowerCase().includes(wanted));
  const spoken = (text) => text && text.toLowerCase().includes(wanted);
  const found = new Set();
  for (const call of run.texts.calls) {
    if (!found.has(call.i) && (spoken(call.reply) || spoken(call.think) || call.lines.some((line) => holding[line]))) found.add(call.i);
  }
  return [...found].sort(d3.ascending);
}

const HEADING = /^# /;
/** A line of a rollout, in the published style or in the compact one. */
const STEP = /^[-+\d.eE, [\]]+->[-+\d.eE, [\]]+->|^(\d+: )?[-\d. ]+ \| [-\d. |]+$/;

const CODE_BEGINS = /^```\w/;
const CODE_ENDS = /^```\s*$/;

/** Part the lines of a prompt at its headings, which follow an empty line; in a program, such a line is a comment. */
function sectionsOf(call) {
  const sections = [];
  let current = { name: "Opening", lines: [] };
  let inCode = false;
  let before = "";
  for (const line of call.lines) {
    const text = run.texts.lines[line];
    if (CODE_BEGINS.test(text)) inCode = true;
    if (CODE_ENDS.test(text)) inCode = false;
    const begins = !inCode && !before.trim() && HEADING.test(text);
    before = text;
    if (begins) {
      sections.push(current);
      current = { name: text.slice(2), lines: [] };
    } else current.lines.push(line);
  }
  sections.push(current);
  return sections.filter((section) => section.lines.some((line) => run.texts.lines[line].trim()));
}
