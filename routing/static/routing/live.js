// The stream says only that something changed; the page then asks for itself.
// A ring becomes the DOM event `ring-alerts` (or -deliveries, -runs, -sensors) on <body>, which htmx listens for.
// Pages that cost more to ask for listen for `calm-alerts`, which comes at most every three seconds.
// Not htmx's `throttle`: that drops the last ring, and the page would stay at what was true before it.
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

  function calm(topic) {
    let resting = false;
    let again = false;
    const tell = () => {
      document.body.dispatchEvent(new CustomEvent(`calm-${topic}`));
      resting = true;
      again = false;
      setTimeout(() => {
        resting = false;
        if (again) tell();
      }, 3000);
    };
    document.body.addEventListener(`ring-${topic}`, () => (resting ? (again = true) : tell()));
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
    // The first word of the stream: from here on nothing is missed, so what came before is asked for once.
    stream.addEventListener("listening", () => {
      wait = 2000;
      say("connected");
      topics.forEach(ring);
    });
    for (const topic of topics) stream.addEventListener(topic, () => ring(topic));
    stream.onerror = () => {
      say("stale");
      // After an answer that is no stream (the worker is away, the session ended) the browser does not try again.
      if (stream.readyState === EventSource.CLOSED) setTimeout(() => connect(Math.min(wait * 2, 60000)), wait);
    };
    addEventListener("pagehide", () => stream.close(), { once: true });
  }

  topics.forEach(calm);
  addEventListener("pageshow", (event) => event.persisted && connect(2000));
  connect(2000);
})();
