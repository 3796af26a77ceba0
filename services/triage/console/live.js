// Liveness only: every page says everything, and does everything, without this file.
"use strict";
(() => {
  const status = document.querySelector("[data-live-status]");
  const queue = document.querySelector("[data-live='queue']");
  const watched = (document.querySelector("[data-live-cases]")?.dataset.liveCases ?? "").split(" ").filter(Boolean);
  if (!status || (!queue && watched.length === 0) || !("EventSource" in window)) return;

  const REFRESH_AFTER = 3000;
  let waiting = null;

  async function refresh() {
    waiting = null;
    // Nobody loses the place where they are: the list waits until they have left it.
    if (queue.contains(document.activeElement) || document.hidden) {
      waiting = setTimeout(refresh, REFRESH_AFTER);
      return;
    }
    const answer = await fetch(location.href, { headers: { "mash-unattended": "1" }, credentials: "same-origin" });
    if (!answer.ok || answer.redirected) return;
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById(queue.id);
    if (!fresh) return;
    queue.replaceChildren(...document.importNode(fresh, true).childNodes);
    const now = new Date().toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" });
    status.textContent = `The list was brought up to date at ${now}.`;
  }

  function changed(ids) {
    if (queue) {
      waiting ??= setTimeout(() => refresh().catch(() => {}), REFRESH_AFTER);
    } else if (ids === null || ids.some((id) => watched.includes(id))) {
      const link = document.createElement("a");
      link.className = "govuk-link";
      link.href = location.pathname;
      link.textContent = "Show it as it is now";
      const text = document.createElement("p");
      text.className = "govuk-body";
      text.append("This case has changed since you opened the page. What you have written here is not kept if you leave. ", link);
      status.className = "govuk-inset-text mash-alarm";
      status.replaceChildren(text);
    }
  }

  const opened = Date.now();
  const events = new EventSource("/console/queue/events");
  events.addEventListener("open", () => status.setAttribute("data-listening", ""));
  events.addEventListener("changed", (event) => {
    const ids = JSON.parse(event.data).cases.map((one) => one.id);
    // What this page's own reading brought about is no news.
    if (queue || Date.now() - opened > 500) changed(ids);
  });
  events.addEventListener("reset", () => changed(null));
  addEventListener("pagehide", () => events.close());
})();
