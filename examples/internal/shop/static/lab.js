// The lab: sends ten requests of one session at the same time and draws what
// became of each when its answer arrives.
"use strict";

const REQUESTS = 10;
const $ = (id) => document.getElementById(id);
const lab = $("lab");
const delay = Number(lab.dataset.delay); // of one update, in milliseconds
const long = Number(lab.dataset.long);   // of the slow update that reads meet

let clicked = 0; // when the run began
let span = 1;    // milliseconds that the chart is wide

// send sends one request and returns its answer with the times it took.
async function send(url, form) {
  const init = { cache: "no-store" }; // a cache would make equal reads queue
  if (form) {
    init.method = "POST";
    init.body = new URLSearchParams(form);
  }
  const answer = { count: 0, waited: 0, held: 0, begin: performance.now() - clicked };
  try {
    const reply = await fetch(url, init);
    if (reply.headers.get("Content-Type") === "application/json") {
      Object.assign(answer, await reply.json());
    } else {
      answer.error = reply.status + " " + reply.statusText;
    }
  } catch (e) {
    answer.error = e.message;
  }
  answer.end = performance.now() - clicked;
  return answer;
}

const update = (mode, slow) => send("lab/update", slow ? { mode, slow: "1" } : { mode });
const read = (mode) => send("lab/count?mode=" + mode);

// row adds a line to the chart and returns what fills it in.
function row(name) {
  const li = document.createElement("li");
  const label = document.createElement("span");
  const track = document.createElement("span");
  const said = document.createElement("span");
  label.textContent = name;
  label.className = "label";
  track.className = "track";
  said.className = "said";
  li.append(label, track, said);
  $("rows").append(li);
  return (answer, sees) => {
    if (answer.error) {
      said.textContent = answer.error;
      li.classList.add("failed");
      return;
    }
    said.textContent = "waited " + Math.round(answer.waited) + " ms" + (sees ? ", read " + answer.count : "");
    const held = Math.max(answer.held, 1);
    const arrived = Math.max(answer.begin, answer.end - held - answer.waited);
    track.append(
      bar("queued", answer.begin, arrived - answer.begin),
      bar("waited", arrived, answer.waited),
      bar("held", arrived + answer.waited, held));
    if (answer.end > span) {
      scale(answer.end);
    }
  };
}

function bar(kind, from, length) {
  const i = document.createElement("i");
  i.className = kind;
  i.dataset.from = from;
  i.dataset.length = length;
  place(i);
  return i;
}

function place(i) {
  i.style.left = 100 * i.dataset.from / span + "%";
  i.style.width = 100 * i.dataset.length / span + "%";
}

function scale(to) {
  span = to;
  $("axis-end").textContent = (span / 1000).toFixed(1) + " s";
  lab.querySelectorAll(".track i").forEach(place);
}

const ten = (f) => Promise.all(Array.from({ length: REQUESTS }, (_, n) => f(n)));

// runUpdates has ten updates meet.
async function runUpdates(mode, before) {
  scale(mode === "exclusive" ? REQUESTS * delay : 2 * delay);
  const rows = Array.from({ length: REQUESTS }, (_, n) => row(n + 1));
  const answers = await ten(async (n) => {
    const answer = await update(mode);
    rows[n](answer);
    return answer;
  });
  const after = (await read("readonly")).count;
  $("after").textContent = after;
  const counted = after - before;
  return (counted === REQUESTS ? "All ten counted." : counted + " of ten counted.") + longestWait(answers);
}

function longestWait(answers) {
  return " The longest wait was " + Math.round(Math.max(...answers.map((a) => a.waited))) + " ms.";
}

// runReads has ten reads meet one slow update.
async function runReads(mode, before) {
  scale(long + delay);
  const writer = row("Update");
  const rows = Array.from({ length: REQUESTS }, (_, n) => row(n + 1));
  const written = update("exclusive", true).then((answer) => writer(answer));
  await new Promise((done) => setTimeout(done, delay / 2)); // the update has the session by then
  const answers = await ten(async (n) => {
    const answer = await read(mode);
    rows[n](answer, true);
    return answer;
  });
  const refusal = await update(mode);
  await written;
  $("refused").textContent = "A change in this mode is refused with “" + refusal.error + "”.";
  $("refused").hidden = false;
  const after = (await read("readonly")).count;
  $("after").textContent = after;
  const old = answers.filter((a) => !a.error && a.count === before).length;
  const fresh = answers.filter((a) => !a.error && a.count === after).length;
  return (old === REQUESTS ? "All ten read " + before + ", saved before the update."
    : fresh === REQUESTS ? "All ten read " + after + ", which the update saved."
    : old + " of ten read " + before + ", saved before the update; " + fresh + " read " + after + ", which it saved.") +
    longestWait(answers);
}

const chosen = () => document.querySelector("input[name=mode]:checked");

function choose() {
  const writes = "writes" in chosen().dataset;
  $("go").textContent = writes ? "Run ten updates" : "Run ten reads during an update";
}

async function run(event) {
  event.preventDefault();
  const { value: mode, dataset } = chosen();
  const writes = "writes" in dataset;
  $("go").disabled = true;
  $("rows").replaceChildren();
  $("refused").hidden = true;
  $("verdict").textContent = "Under way …";
  $("sent-label").textContent = writes ? "Updates sent" : "Reads sent";
  $("sent").textContent = REQUESTS;
  $("chart").hidden = false;
  $("chart").parentElement.scrollIntoView({ block: "nearest" });

  const before = (await read("readonly")).count;
  $("before").textContent = before;
  $("after").textContent = "…";
  clicked = performance.now();
  try {
    $("verdict").textContent = writes ? await runUpdates(mode, before) : await runReads(mode, before);
  } finally {
    $("go").disabled = false;
  }
}

$("run").addEventListener("submit", run);
$("run").addEventListener("change", choose);
choose();
$("go").disabled = false;
