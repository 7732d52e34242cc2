// Makes the pages quicker to work with. Without it every action is still there as a plain form.
"use strict";

const $ = (query, root = document) => root.querySelector(query);
const head = $("[data-look]");
const queue = $("[data-live=queue]");
const say = (text) => { const live = $("#live"); if (live) live.textContent = text; };

// --- single keys: never while typing, in a dialog, while a key is held, or before the page has settled ---------------

const SETTLE_MS = 400;
let settled = false;
let leaving = false;
addEventListener("load", () => setTimeout(() => { settled = true; document.body.dataset.ready = "yes"; }, SETTLE_MS));
addEventListener("submit", () => { leaving = true; });
addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });

const held = new Set();
addEventListener("keyup", (event) => held.delete(event.code));

function free(event) {
  const first = !held.has(event.code) && !event.repeat;
  held.add(event.code);
  const at = event.target;
  const typing = at.closest && at.closest("input:not([type=checkbox]):not([type=radio]), textarea, select, [contenteditable]");
  const plain = !event.ctrlKey && !event.metaKey && !event.altKey;
  return first && settled && !leaving && plain && !typing && !$("dialog[open]") && document.body.dataset.keys === "on";
}

function open(id, field) {
  const part = $(id);
  if (!part) return;
  part.open = true;
  $(field, part)?.focus();
}

function approve() {
  const form = $("#approve-form");
  const button = $("#approve");
  if (!form || !button) return;
  const unread = [...form.querySelectorAll("input[name=opened]")].filter((box) => !box.checked);
  if (unread.length) { say(`${unread.length} to read before you approve`); next(); return; }
  if ("green" in form.dataset) form.requestSubmit(button);
  else button.focus();
}

const keys = {
  "?": () => $("#keys")?.showModal(),
  j: () => step(1), k: () => step(-1),
  f: () => next(), a: approve,
  e: () => open("#edit", "textarea"), b: () => open("#send-back", "input[name=hint]"), d: () => open("#discard", "select"),
  u: () => { const undo = $("#undo"); undo?.form.requestSubmit(undo); },
  n: () => $("#note")?.focus(),
  q: () => { location.href = "/desk"; },
  "/": () => { const search = $("#q"); if (search) search.focus(); else location.href = "/desk"; },
};

addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
    const button = event.target.form?.querySelector("button.primary, button");
    if (button && settled && !leaving && !event.repeat && event.target.form.reportValidity()) {
      event.preventDefault();
      event.target.form.requestSubmit(button);
    }
    return;
  }
  if (!free(event) || !(event.key in keys)) return;
  event.preventDefault();
  keys[event.key]();
});

const help = $("#show-keys");
if (help) { help.hidden = false; help.addEventListener("click", () => $("#keys").showModal()); }

// --- queue: the chosen row, and rows that follow what happens ---------------------------------------------------------

function step(by) {
  const links = [...document.querySelectorAll(".queue a.title")];
  if (!links.length) return;
  const now = links.indexOf(document.activeElement);
  const then = links[now < 0 ? (by > 0 ? 0 : links.length - 1) : Math.max(0, Math.min(links.length - 1, now + by))];
  document.querySelectorAll(".queue tr.at").forEach((row) => row.classList.remove("at"));
  then.closest("tr").classList.add("at");
  then.focus();
}

async function refresh() {
  const answer = await fetch(location.href, { headers: { Accept: "text/html" } }).catch(() => null);
  if (!answer || !answer.ok) return;
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  const at = document.activeElement?.getAttribute("href");
  $("#rows").replaceWith($("#rows", fresh));
  $(".tabs")?.replaceWith($(".tabs", fresh));
  const again = at && [...document.querySelectorAll("#rows a, .tabs a")].find((link) => link.getAttribute("href") === at);
  if (again) { again.focus(); again.closest("tr")?.classList.add("at"); }
  document.dispatchEvent(new Event("fresh"));
}

const CALM_MS = 1500;
if (queue && "EventSource" in window) {
  let waiting = null;
  const heard = () => { waiting ??= setTimeout(() => { waiting = null; refresh(); }, CALM_MS); };
  const stream = new EventSource("/v1/events");
  stream.onmessage = heard;
  for (const kind of ["case_opened", "message_received", "triaged", "draft_proposed", "draft_failed", "reviewed",
    "approval_undone", "reply_sent", "status_set", "reopened", "severity_set", "severity_raised", "routing_set",
    "assigned", "unassigned", "snoozed", "taken_over", "finding_answered"]) stream.addEventListener(kind, heard);
  addEventListener("pagehide", () => stream.close());
}

// --- case: what was opened, who has it, how long the hold lasts -------------------------------------------------------

const place = head && `/v1/escalations/${head.dataset.case}/look`;
const tell = (body) => place && fetch(place, {
  method: "POST", keepalive: true, headers: { "Content-Type": "application/json" }, body: JSON.stringify(body),
}).catch(() => null);

function seen(fact) {
  for (const box of document.querySelectorAll(`input[name=opened][value="${CSS.escape(fact)}"]`)) {
    if (!box.checked) { box.checked = true; box.dispatchEvent(new Event("change", { bubbles: true })); }
  }
  tell({ kind: "focused", target: fact, draft_id: head?.dataset.draft || "" });
}

addEventListener("click", (event) => {
  const link = event.target.closest?.("[data-fact]");
  if (link) seen(link.dataset.fact);
});

function next() {
  const boxes = [...document.querySelectorAll("#approve-form input[name=opened]")];
  const box = boxes.find((one) => !one.checked);
  const links = [...document.querySelectorAll("#letter a.fact")];
  const link = box
    ? $(`#letter a.fact[data-fact="${CSS.escape(box.value)}"]`) || $(`.openings a[data-fact="${CSS.escape(box.value)}"]`)
    : links[(links.indexOf(document.activeElement) + 1) % (links.length || 1)];
  if (!link) return;
  link.focus();
  link.click();
  say(link.textContent.trim());
}

async function look() {
  const answer = await tell({});
  if (!answer || !answer.ok) return;
  const now = await answer.json();
  const holder = $("#holder");
  holder.hidden = now.mine;
  if (!now.mine) $("b", holder).textContent = now.name;
  if (String(now.version) !== head.dataset.version) $("#moved").hidden = false;
}

const RENEW_MS = 20000;
if (head) {
  setInterval(() => { if (!document.hidden) look(); }, RENEW_MS);
  addEventListener("pagehide", () => fetch(place, { method: "DELETE", keepalive: true }).catch(() => null));
  $("#edit-text")?.addEventListener("input", () => tell({ kind: "edited", draft_id: head.dataset.draft }), { once: true });
}

const until = $("[data-left]");
if (until) {
  const end = performance.now() + Number(until.dataset.left) * 1000;
  const timer = setInterval(() => {
    const left = Math.ceil((end - performance.now()) / 1000);
    until.textContent = left > 0 ? `in ${left} s` : "now";
    if (left <= 0) { clearInterval(timer); if (!$("textarea:focus, dialog[open]")) location.replace(location.pathname); }
  }, 500);
}

const copy = $("#copy");
const text = $("#sent-text");
if (copy && text && navigator.clipboard) {
  copy.hidden = false;
  copy.addEventListener("click", async () => { await navigator.clipboard.writeText(text.value); say("Copied"); copy.textContent = "Copied"; });
}

const rating = $("[data-timed]");
if (rating) {
  let began = 0;
  rating.addEventListener("focusin", () => { began ||= performance.now(); });
  rating.addEventListener("submit", () => { rating.elements.seconds.value = Math.round((performance.now() - began) / 1000); });
}

const file = $("#mail");
if (file) {
  addEventListener("dragover", (event) => event.preventDefault());
  addEventListener("drop", (event) => { event.preventDefault(); if (event.dataTransfer.files.length) file.files = event.dataTransfer.files; });
}

if ($("[role=alert], .banner.good")) $("#main")?.focus({ preventScroll: true });
