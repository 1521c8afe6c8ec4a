// The stream says only that something changed; the page then asks for itself.
// A ring becomes the DOM event `ring-alerts` (or -deliveries, -runs, -sensors) on <body>, which htmx listens for.
"use strict";

(() => {
  const dot = document.querySelector("[data-live-dot]");
  if (!dot) return;
  const topics = ["alerts", "deliveries", "runs", "sensors"];
  const words = { connected: "Live", stale: "Not live: asking every 15 s", waiting: "Connecting" };
  let polling = null;

  function ring(topic) {
    document.body.dispatchEvent(new CustomEvent(`ring-${topic}`));
  }

  function say(state) {
    if (dot.dataset.state === state) return;
    dot.dataset.state = state;
    dot.textContent = words[state];
    clearInterval(polling);
    polling = state === "stale" ? setInterval(() => topics.forEach(ring), 15000) : null;
  }

  function connect(wait) {
    const stream = new EventSource(dot.dataset.stream);
    stream.onopen = () => {
      const missed = dot.dataset.state === "stale";
      wait = 2000;
      say("connected");
      if (missed) topics.forEach(ring);
    };
    for (const topic of topics) stream.addEventListener(topic, () => ring(topic));
    stream.onerror = () => {
      say("stale");
      // After an answer that is no stream (the worker is away, the session ended) the browser does not try again.
      if (stream.readyState === EventSource.CLOSED) setTimeout(() => connect(Math.min(wait * 2, 60000)), wait);
    };
    addEventListener("pagehide", () => stream.close(), { once: true });
  }

  addEventListener("pageshow", (event) => event.persisted && connect(2000));
  connect(2000);
})();
