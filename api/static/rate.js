// Keys 1 to 3 answer the question at hand on the rating page. Without it Tab, the arrow keys and Space do the same.
"use strict";

(() => {
  const form = document.querySelector("form[data-rate]");
  if (!form) return;
  const asks = [...form.querySelectorAll("[data-ask]")];
  const start = Date.now();
  const held = new Set();
  const begin = form.elements.namedItem("first_fault");

  function atHand() {
    return asks.find((ask) => ask.contains(document.activeElement)) || asks.find((ask) => !ask.querySelector("input:checked"));
  }

  addEventListener("keyup", (event) => held.delete(event.code));
  addEventListener("keydown", (event) => {
    const first = !held.has(event.code) && !event.repeat;
    held.add(event.code);
    const typing = event.target.closest?.("input:not([type=radio]), textarea, select");
    if (!first || typing || event.ctrlKey || event.metaKey || event.altKey || Date.now() - start < 400) return;
    if (document.body.dataset.keys !== "on" || document.querySelector("dialog[open]") || !/^[1-3]$/.test(event.key)) return;
    const ask = atHand();
    const level = ask?.querySelectorAll("input[type=radio]")[Number(event.key) - 1];
    if (!level) return;
    event.preventDefault();
    level.checked = true;
    const after = asks[asks.indexOf(ask) + 1];
    (after ? after.querySelector("input[type=radio]") : begin).focus();
  });
})();
