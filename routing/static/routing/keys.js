// The keyboard: j and k walk the rows, x selects, a acknowledges, s silences, g and a letter go, ? explains.
"use strict";

(() => {
  let going = false;

  const rows = () => [...document.querySelectorAll("[data-rows] > tr, [data-row]")];
  const here = () => document.querySelector("[data-rows] > tr.here, [data-row].here");

  function walk(step) {
    const all = rows();
    if (!all.length) return;
    const current = all.indexOf(here());
    const next = all[Math.min(Math.max(current + step, 0), all.length - 1)];
    here()?.classList.remove("here");
    next.classList.add("here");
    (next.querySelector("a") ?? next).focus({ preventScroll: true });
    next.scrollIntoView({ block: "nearest" });
  }

  function select() {
    const box = here()?.querySelector("input[type=checkbox]");
    if (box) box.click();
  }

  // Acting on nothing chosen means acting on the row one stands on.
  function acknowledge() {
    const button = document.querySelector("[data-key=a]");
    if (!button) return;
    const chosen = document.querySelector("[data-rows] input[type=checkbox]:checked");
    if (!chosen && here()) select();
    button.click();
  }

  function go(letter) {
    document.querySelector(`[data-go="${letter}"]`)?.click();
  }

  const actions = {
    j: () => walk(1),
    k: () => walk(-1),
    x: select,
    a: acknowledge,
    s: () => (here() ?? document).querySelector("[data-key=s]")?.click(),
    o: () => here()?.querySelector("a")?.click(),
    p: () => document.querySelector("[data-key=p]")?.click(),
    "/": () => document.querySelector("[data-key='/']")?.focus(),
    "?": () => document.getElementById("keys")?.showModal(),
    g: () => {
      going = true;
      setTimeout(() => (going = false), 1500);
    },
  };

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.closest("input:not([type=checkbox]), textarea, select, dialog, [contenteditable]")) return;
    const act = going ? () => go(event.key) : actions[event.key];
    going = false;
    if (!act) return;
    event.preventDefault();
    act();
  });

  document.addEventListener("click", (event) => {
    if (event.target.closest("[data-keys-help]")) document.getElementById("keys").showModal();
    const all = event.target.closest("[data-select-all]");
    if (all) for (const box of document.querySelectorAll("[data-rows] input[type=checkbox]")) box.checked = all.checked;
  });
})();
