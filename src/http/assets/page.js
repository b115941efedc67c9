// Keeps the page fresh: follows the stream of events, and takes the rows that changed from the page itself.
// Without this script the page reloads itself.
"use strict";
(() => {
  // Events come in bursts; the page is asked for once in this time at most.
  const PAUSE_MS = 2000;
  // Latencies move without events.
  const AT_LEAST_EVERY_MS = 10000;

  let timer = 0;
  let asking = false;
  let asked = Date.now();

  const say = (text) => {
    const place = document.getElementById("live");
    if (place) place.textContent = text;
  };

  const take = (fresh) => {
    const old = document.querySelector("main");
    if (!fresh || !old) return;
    const focused = document.activeElement;
    const [link, form] = [focused?.getAttribute("href"), focused?.closest("form")?.getAttribute("action")];
    old.replaceWith(fresh);
    const again = link
      ? document.querySelector(`main a[href="${CSS.escape(link)}"]`)
      : form && document.querySelector(`main form[action="${CSS.escape(form)}"] button`);
    again?.focus({ preventScroll: true });
  };

  const refresh = async () => {
    timer = 0;
    if (asking || document.hidden) return;
    asking = true;
    asked = Date.now();
    try {
      const answer = await fetch("/", { headers: { accept: "text/html" }, cache: "no-store" });
      if (!answer.ok) throw new Error(String(answer.status));
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      document.title = page.title;
      take(page.querySelector("main"));
      say(" · live");
    } catch {
      say(" · this node does not answer; trying again");
    } finally {
      asking = false;
    }
  };

  const soon = () => {
    timer ||= setTimeout(refresh, Math.max(0, PAUSE_MS - (Date.now() - asked)));
  };

  const follow = () => {
    const after = document.querySelector("main")?.dataset.lastEvent ?? "";
    const stream = new EventSource(`/events/stream?after=${encodeURIComponent(after)}`);
    stream.onopen = () => say(" · live");
    const kinds = [
      "PaymentGatewayConnected", "PaymentGatewayConnectionFailed", "PaymentGatewayRetried",
      "CircuitBreakerTransitioned", "CircuitBreakerControlled", "AlertFired", "AlertResolved", "AlertAcknowledged",
      "AlertEscalated", "SilenceCreated", "SilenceRemoved", "MaintenanceCreated", "MaintenanceRemoved",
      "NotificationDeadLettered", "NotificationResent", "NotificationDismissed",
    ];
    for (const kind of kinds) stream.addEventListener(kind, soon);
    stream.onerror = () => {
      say(" · reconnecting");
      // A stream that was refused does not come back by itself.
      if (stream.readyState === EventSource.CLOSED) setTimeout(follow, AT_LEAST_EVERY_MS);
    };
  };

  document.addEventListener("visibilitychange", () => { if (!document.hidden) soon(); });
  setInterval(soon, AT_LEAST_EVERY_MS);
  follow();
})();
