// SPDX-License-Identifier: BSD-3-Clause
// Keeps a page fresh: when the pool says that something changed, the live part is fetched and what differs is
// changed in place, so that focus, scrolling, opened details and half-filled fields stay as they are.
"use strict";

const PAUSE_MS = 2000; // between two fetches at the least
const REFRESH_MS = 15000; // and at the most: times such as "2 min ago" grow without an event

function sameKind(a, b) {
  return a.nodeType === b.nodeType && a.nodeName === b.nodeName && (a.id || "") === (b.id || "");
}

function updateAttributes(old, fresh) {
  for (const { name } of [...old.attributes]) {
    if (!fresh.hasAttribute(name) && !(name === "open" && old.nodeName === "DETAILS")) old.removeAttribute(name);
  }
  for (const { name, value } of fresh.attributes) {
    if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  }
}

function updateChildren(old, fresh) {
  const named = new Map([...old.children].filter((c) => c.id).map((c) => [c.id, c]));
  let at = old.firstChild;
  for (const child of [...fresh.childNodes]) {
    const known = child.id && named.get(child.id);
    if (known && known.nodeName === child.nodeName) {
      // Moving an element takes its focus away: what stands before it goes instead.
      while (at !== known && at && !wanted(at, fresh)) at = removed(at);
      if (at !== known) old.insertBefore(known, at);
      else at = at.nextSibling;
      update(known, child);
    } else if (at && sameKind(at, child)) {
      update(at, child);
      at = at.nextSibling;
    } else {
      old.insertBefore(child, at);
    }
  }
  while (at) at = removed(at);
}

function wanted(node, fresh) {
  return node.id && [...fresh.children].some((c) => c.id === node.id);
}

function removed(node) {
  const next = node.nextSibling;
  if (node.contains(document.activeElement)) keepPlace(node);
  node.remove();
  return next;
}

// Who was in something that is gone goes on at the heading of its section.
function keepPlace(node) {
  const heading = node.parentElement.closest("section")?.querySelector("[tabindex='-1']");
  (heading || document.getElementById("content")).focus({ preventScroll: true });
}

function update(old, fresh) {
  if (old.nodeType !== Node.ELEMENT_NODE) {
    if (old.data !== fresh.data) old.data = fresh.data;
    return;
  }
  updateAttributes(old, fresh);
  updateChildren(old, fresh);
}

function follow(part, sign) {
  let fetching = false;
  let again = false;
  let fetchedAt = Date.now();

  function say(text, trouble) {
    sign.hidden = false;
    if (sign.textContent !== text) sign.textContent = text; // what is set anew is read out anew
    sign.classList.toggle("trouble", trouble);
  }

  async function refresh() {
    if (document.hidden) return;
    if (fetching) {
      again = true;
      return;
    }
    fetching = true;
    await new Promise((go) => setTimeout(go, Math.max(0, fetchedAt + PAUSE_MS - Date.now())));
    again = false;
    try {
      const answer = await fetch(part.dataset.live, { redirect: "manual", signal: AbortSignal.timeout(10000) });
      if (answer.type === "opaqueredirect") {
        say("Signed out: load the page anew", true);
      } else if (answer.status === 403) {
        say("Not live: load the page anew", true);
      } else if (answer.ok) {
        const fresh = document.createElement("template");
        fresh.innerHTML = await answer.text();
        updateChildren(part, fresh.content);
        say("Live", false);
      } else {
        throw new Error(String(answer.status));
      }
    } catch {
      say("Not live: the pool does not answer", true);
    }
    fetchedAt = Date.now();
    fetching = false;
    if (again) refresh();
  }

  const events = new EventSource(part.dataset.events);
  events.addEventListener("changed", refresh);
  events.addEventListener("open", () => say("Live", false));
  events.addEventListener("error", () => {
    const ended = events.readyState === EventSource.CLOSED;
    say(ended ? "Not live: load the page anew" : "Not live: connecting again", true);
  });
  document.addEventListener("visibilitychange", refresh);
  setInterval(() => Date.now() - fetchedAt >= REFRESH_MS && refresh(), 1000);
}

const part = document.getElementById("live-part");
if (part) follow(part, document.getElementById("live"));
