// Light, dark or as the system says. The choice is a cookie, so the server paints the first frame in it.
"use strict";

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-theme-next]");
  if (!button) return;
  const order = ["auto", "light", "dark"];
  const root = document.documentElement;
  const theme = order[(order.indexOf(root.dataset.theme) + 1) % order.length];
  root.dataset.theme = theme;
  document.cookie = `theme=${theme}; path=/; max-age=31536000; samesite=lax`;
  for (const label of document.querySelectorAll("[data-theme-word]")) label.textContent = theme;
});
