// SPDX-License-Identifier: BSD-3-Clause
// Brings the page up to date without a reload, unless somebody is about to press a button on it, and asks before a
// share is released.
"use strict";

(() => {
  const shown = () => document.getElementById("my-gpu");

  async function refresh() {
    if (document.hidden || shown().contains(document.activeElement)) return;
    // Without the token JupyterHub takes no cookie from a script.
    const answer = await fetch(window.location.href, { headers: { "X-XSRFToken": shown().dataset.xsrf } });
    if (!answer.ok || answer.redirected) return;
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const fresh = page.getElementById("my-gpu");
    if (fresh) shown().replaceWith(fresh);
  }

  document.addEventListener("submit", (event) => {
    const question = event.target.dataset.question;
    if (question && !window.confirm(question)) event.preventDefault();
  });

  setInterval(() => refresh().catch(() => {}), 1000 * Number(shown().dataset.refreshS));
})();
