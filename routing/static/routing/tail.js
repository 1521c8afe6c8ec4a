// The Live page: new rows go on top at once, unless paused or scrolled away; then a button says how many wait.
"use strict";

(() => {
  const rows = document.getElementById("live-rows");
  if (!rows) return;
  const KEPT = 500;
  const waiting = document.getElementById("live-waiting");
  const counter = document.getElementById("live-count");
  const pause = document.getElementById("live-pause");
  let held = [];
  let more = 0;
  let paused = false;
  let asking = false;
  let again = false;

  const reading = () => paused || scrollY > 120;

  function show() {
    for (const row of rows.children) row.classList.remove("fresh");
    for (const row of held) row.classList.add("fresh");
    rows.prepend(...held);
    while (rows.children.length > KEPT) rows.lastElementChild.remove();
    document.getElementById("live-empty")?.remove();
    held = [];
    more = 0;
  }

  function settle() {
    const count = held.length + more;
    if (held.length && !reading()) {
      show();
      counter.textContent = `${count} new ${count === 1 ? "alert" : "alerts"} shown`;
    }
    waiting.hidden = held.length === 0;
    if (held.length) {
      waiting.textContent = `${count} new ${count === 1 ? "alert" : "alerts"}`;
      counter.textContent = waiting.textContent;
    }
  }

  async function ask() {
    if (asking) {
      again = true;
      return;
    }
    asking = true;
    try {
      const url = new URL(location.href);
      url.searchParams.set("after", rows.dataset.newest);
      const answer = await fetch(url, { headers: { "HX-Request": "true" } });
      if (answer.headers.has("HX-Refresh")) location.reload();
      if (!answer.ok) return;
      const page = document.createElement("template");
      page.innerHTML = await answer.text();
      const part = page.content.querySelector("tbody");
      if (!part) return;
      rows.dataset.newest = part.dataset.newest;
      more += Number(part.dataset.more);
      const known = new Set([...rows.children, ...held].map((row) => row.dataset.alert));
      const fresh = [...part.children].filter((row) => !known.has(row.dataset.alert));
      held = [...fresh, ...held].slice(0, KEPT);
      settle();
    } finally {
      asking = false;
      if (again) {
        again = false;
        ask();
      }
    }
  }

  document.body.addEventListener("ring-alerts", ask);
  waiting.addEventListener("click", () => {
    scrollTo({ top: 0 });
    show();
    settle();
  });
  pause.addEventListener("click", () => {
    paused = !paused;
    pause.setAttribute("aria-pressed", paused);
    pause.textContent = paused ? "Resume" : "Pause";
    settle();
  });
  addEventListener("scroll", () => held.length && settle(), { passive: true });
})();
