// SPDX-License-Identifier: MIT
#include "page/page.hpp"

namespace eddy::inspect {

// Texts of the program reach the page by `textContent` and `append` only, never as HTML.
const std::string_view page = R"html(<!DOCTYPE html>
<html lang="en" data-loop="LOOP_ID">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>eddy: tasks</title>
<link rel="icon" href="data:,">
<style>
:root { --back: #fff; --text: #1c2530; --dim: #5a6675; --line: #d5dbe3; --fill: #2563a8; --warn: #a33a00; }
@media (prefers-color-scheme: dark) {
  :root { --back: #12171d; --text: #e4e9ef; --dim: #9aa7b5; --line: #2c3641; --fill: #6ea8e6; --warn: #ff9a5c; }
}
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 72rem; padding: 0 1rem 2rem; background: var(--back); color: var(--text);
  font: 1rem/1.5 system-ui, sans-serif; overflow-wrap: anywhere; }
header { display: flex; flex-wrap: wrap; gap: .5rem 1rem; align-items: baseline; justify-content: space-between; }
h1 { font-size: 1.4rem; margin: 1rem 0 0; }
h2 { font-size: 1.1rem; margin: 1.5rem 0 .5rem; }
h3 { font-size: 1rem; margin: 1rem 0 .25rem; }
button, input { font: inherit; color: inherit; background: var(--back); border: 1px solid var(--dim);
  border-radius: .3rem; padding: .4rem .6rem; min-width: 0; }
label { display: flex; flex-wrap: wrap; gap: .5rem; align-items: center; }
label input { flex: 1 1 12rem; }
:focus-visible { outline: 2px solid var(--fill); outline-offset: 2px; }
p { margin: .25rem 0; }
.dim { color: var(--dim); }
.warn { color: var(--warn); }
details { border-top: 1px solid var(--line); }
summary { padding: .4rem 0; cursor: pointer; }
ul { margin: 0; padding: 0 0 0 1rem; list-style: none; font: .85rem/1.5 ui-monospace, monospace; }
details > ul { padding-bottom: .5rem; }
.bars { display: flex; align-items: flex-end; height: 4rem; gap: 1px; border-bottom: 1px solid var(--dim); }
.bars i { flex: 1; background: var(--fill); min-width: 0; }
.worker { display: grid; grid-template-columns: 13rem 1fr; gap: .5rem; align-items: center; }
@media (max-width: 30rem) { .worker { grid-template-columns: 1fr; gap: 0; } }
.worker .bars { height: 1.5rem; }
</style>
</head>
<body>
<header><h1>Tasks of this process</h1><button id="pause" type="button" aria-pressed="false">Pause</button></header>
<p id="state" class="dim">Loading</p>
<main>
<section aria-labelledby="workers_title"><h2 id="workers_title">Workers</h2><div id="workers"></div></section>
<section id="stalls" aria-labelledby="stalls_title" hidden><h2 id="stalls_title">Stalls</h2><p class="warn"></p></section>
<section aria-labelledby="durations_title"><h2 id="durations_title">Durations</h2><div id="durations"></div></section>
<section aria-labelledby="tasks_title"><h2 id="tasks_title">Tree</h2>
<label>Filter <input id="filter" type="search" placeholder="name, function, file or state"></label>
<div id="tasks"></div></section>
</main>
<script>
"use strict";
const own = Number(document.documentElement.dataset.loop);
const at = id => document.getElementById(id);
const node = (tag, text, kind) => {
  const made = document.createElement(tag);
  if (text !== undefined) made.textContent = text;
  if (kind) made.className = kind;
  return made;
};
const most_groups = 300, most_samples = 60, period = 2000;
let paused = false, found = null;
const history = new Map(), open = new Set();

// ---- Metrics ----

function samples_in(text) {
  const all = [];
  for (const line of text.split("\n")) {
    const parts = /^(\w+)(?:\{(.*)\})? (\S+)$/.exec(line);
    if (!parts) continue;
    const labels = {};
    for (const [, name, value] of (parts[2] || "").matchAll(/(\w+)="((?:\\.|[^"\\])*)"/g)) labels[name] = value;
    if (labels.executor !== "loop-" + own) all.push({name: parts[1], labels, value: Number(parts[3])});
  }
  return all;
}

function seconds(value) {
  for (const [unit, size] of [["h", 3600], ["min", 60], ["s", 1], ["ms", 1e-3], ["\u00b5s", 1e-6]])
    if (value >= size) return Number((value / size).toPrecision(3)) + " " + unit;
  return Math.round(value * 1e9) + " ns";
}

function bars(values, text) {
  const box = node("div", undefined, "bars");
  box.setAttribute("role", "img");
  box.setAttribute("aria-label", text);
  for (const value of values) {
    const bar = node("i");
    bar.style.height = 100 * Math.min(value, 1) + "%";
    box.append(bar);
  }
  return box;
}

function show_workers(all, now) {
  const rows = [];
  for (const one of all) {
    if (one.name !== "eddy_worker_busy_seconds_total") continue;
    const key = one.labels.executor + " worker " + one.labels.worker;
    const past = history.get(key) || {shares: new Array(most_samples).fill(0)};
    if (past.time !== undefined && now > past.time) {
      past.shares.push(Math.max(0, (one.value - past.value) / (now - past.time)));
      past.shares.shift();
    }
    past.time = now;
    past.value = one.value;
    history.set(key, past);
    const percent = Math.round(100 * Math.min(1, past.shares[most_samples - 1]));
    const row = node("div", undefined, "worker");
    row.append(node("span", key + ": " + percent + " %"), bars(past.shares, key + " is busy for " + percent + " %"));
    rows.push(row);
  }
  at("workers").replaceChildren(...(rows.length ? rows : [node("p", "There is no worker.", "dim")]));
}

function show_durations(all) {
  const parts = [];
  for (const [metric, title] of [["eddy_schedule_latency_seconds", "From the wake-up to the poll"],
                                 ["eddy_poll_duration_seconds", "Polls"], ["eddy_stall_duration_seconds", "Stalls"]]) {
    const buckets = new Map();
    for (const one of all)
      if (one.name === metric + "_bucket") buckets.set(one.labels.le, (buckets.get(one.labels.le) || 0) + one.value);
    if (!buckets.size) continue;
    const bounds = [...buckets.keys()], sums = [...buckets.values()], total = sums[sums.length - 1];
    const counts = sums.map((sum, i) => sum - (i ? sums[i - 1] : 0));
    const below = share => {
      const bound = bounds[sums.findIndex(sum => sum >= share * total)];
      return bound === "+Inf" ? "more than " + seconds(Number(bounds[bounds.length - 2])) : seconds(Number(bound));
    };
    const text = total + " times; half of them take at most " + below(.5) + ", 99 % at most " + below(.99);
    const highest = Math.max(...counts);
    parts.push(node("h3", title), bars(counts.map(count => count / highest), title + ": " + text), node("p", text, "dim"));
  }
  if (!parts.length)
    parts.push(node("p", "None: task_statistics(true) and poll_time_histogram(true) of the builder switch them on.", "dim"));
  at("durations").replaceChildren(...parts);
  const stalls = all.filter(one => one.name === "eddy_stalls_total").reduce((sum, one) => sum + one.value, 0);
  at("stalls").hidden = !stalls;
  at("stalls").lastChild.textContent = stalls + " polls have blocked their thread. The program has printed where.";
}

// ---- The tree ----

const place = one => one ? one.file.split("/").pop() + ":" + one.line : "unknown";

function wait_text(what) {
  let text = what.kind.replaceAll("_", " ");
  if (what.fd !== undefined) text += ", descriptor " + what.fd;
  if (what.tasks) text += ", task " + what.tasks.slice(0, 8).join(", ") + (what.tasks.length > 8 ? ", ..." : "");
  return what.type ? text + " (" + what.type + ")" : text;
}

// The lines of a stack, as [depth, text]. `brief`: without what differs between tasks.
function lines_of(stack, depth, brief, lines) {
  for (const frame of stack.frames || [])
    lines.push([depth, frame ? frame.function + " at " + place(frame) : "a frame"]);
  const what = stack.waits_for;
  if (!what) {
    lines.push([depth, stack.status.replaceAll("_", " ")]);
    return lines;
  }
  lines.push([depth, "waits for: " + (brief ? what.kind + " " + (what.type || "") : wait_text(what))]);
  for (const branch of what.branches || []) {
    if (branch.label) lines.push([depth + 1, branch.label + ":"]);
    lines_of(branch.stack, depth + 1, brief, lines);
  }
  return lines;
}

const task_name = task => "task " + (task.id || task.address) + (task.name ? " \u201c" + task.name + "\u201d" : "");

// When the oldest of some tasks was spawned.
function age_text(tasks) {
  const oldest = tasks.reduce((least, one) => Math.min(least, one.started_ns || 0), Infinity);
  const prefix = tasks.length > 1 ? ", the first " : ", ";
  return oldest ? prefix + seconds(Math.max(0, found.tasks.now_ns - oldest) / 1e9) + " ago" : "";
}

function used_text(task, statistics) {
  const used = statistics.get(task.id);
  if (!used) return "";
  return " \u2014 " + used.polls + " polls, " + seconds(used.busy_ns / 1e9) + " busy, " + used.allocations + " allocations";
}

function show_tasks() {
  if (!found) return;
  const wanted = at("filter").value.toLowerCase(), parts = [];
  let shown = 0, all = 0;
  for (const executor of found.tasks.executors) {
    if (executor.kind === "event loop" && executor.id === own) continue;
    const groups = new Map();
    for (const task of executor.tasks) {
      ++all;
      const key = [executor.kind, executor.id, task.status, place(task.spawned_at),
                   ...lines_of(task.stack, 0, true, []).map(line => line.join(" "))].join("\n");
      if (wanted && !(key + "\n" + task_name(task)).toLowerCase().includes(wanted)) continue;
      ++shown;
      if (groups.has(key)) groups.get(key).push(task);
      else groups.set(key, [task]);
    }
    if (!groups.size) continue;
    parts.push(node("h3", executor.kind + " " + (executor.id || "")));
    const sorted = [...groups].sort((a, b) => b[1].length - a[1].length);
    for (const [key, tasks] of sorted.slice(0, most_groups)) {
      const first = tasks[0], box = node("details");
      const title = tasks.length === 1 ? task_name(first) + ", " + first.status : tasks.length + " tasks, " + first.status;
      const summary = node("summary", title + ", spawned at " + place(first.spawned_at) + age_text(tasks));
      summary.dataset.key = key;
      const list = node("ul");
      for (const [depth, text] of lines_of(first.stack, 0, tasks.length > 1, [])) {
        const line = node("li", text);
        line.style.paddingLeft = depth + "rem";
        list.append(line);
      }
      for (const task of tasks.slice(0, 20))
        if (tasks.length > 1 || found.statistics.has(task.id))
          list.append(node("li", task_name(task) + age_text([task]) + used_text(task, found.statistics), "dim"));
      if (tasks.length > 20) list.append(node("li", "and " + (tasks.length - 20) + " more", "dim"));
      box.append(summary, list);
      box.open = open.has(key);
      box.addEventListener("toggle", () => box.open ? open.add(key) : open.delete(key));
      parts.push(box);
    }
    if (sorted.length > most_groups) parts.push(node("p", "and " + (sorted.length - most_groups) + " other places", "dim"));
  }
  for (const problem of found.tasks.problems) parts.push(node("p", "Note: " + problem, "warn"));
  if (!parts.length) parts.push(node("p", wanted ? "No task matches." : "There is no task.", "dim"));
  const text = (shown === all ? all : shown + " of " + all) + (all === 1 ? " task" : " tasks");
  at("state").textContent = text + ", at " + found.time.toLocaleTimeString();
  const focused = document.activeElement.dataset.key;
  at("tasks").replaceChildren(...parts);
  if (focused === undefined) return;
  const same = [...at("tasks").querySelectorAll("summary")].find(one => one.dataset.key === focused);
  if (same) same.focus({preventScroll: true});
}

async function refresh() {
  try {
    const get = async path => {
      const answer = await fetch(path);
      if (!answer.ok) throw new Error(path + ": " + answer.status);
      return answer;
    };
    const [tasks, statistics, metrics] =
        await Promise.all(["/tasks.json", "/statistics.json", "/metrics"].map(get));
    const all = samples_in(await metrics.text());
    const used = new Map((await statistics.json()).map(one => [one.id, one]));
    found = {tasks: await tasks.json(), statistics: used, time: new Date()};
    show_workers(all, performance.now() / 1000);
    show_durations(all);
    show_tasks();
    at("state").className = "dim";
  } catch (error) {
    at("state").textContent = "The program does not answer: " + error.message;
    at("state").className = "warn";
  }
}

// A large tree is read less often: at most a tenth of the time.
async function run() {
  const began = performance.now();
  if (!paused && !document.hidden) await refresh();
  setTimeout(run, Math.max(period, 10 * (performance.now() - began)));
}

at("pause").addEventListener("click", () => {
  paused = !paused;
  at("pause").setAttribute("aria-pressed", paused);
});
at("filter").addEventListener("input", show_tasks);
run();
</script>
</body>
</html>
)html";

}  // namespace eddy::inspect
