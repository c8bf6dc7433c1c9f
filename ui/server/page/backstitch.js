// What Streamlit's page lacks: a question before typed values are lost, and words for users while the server is away.
// ui/server/middleware.py adds it to the page; the words that it finds things by are those of the version that
// ui/server/library_patches.py names, and tests/e2e/test_browser_unsaved.py and test_browser_away.py hold them.
"use strict";
(() => {
  // Where typing counts. Fields elsewhere are searches and filters, whose values the address keeps.
  const FORM = "[role=dialog], [data-testid=stForm], [class*=st-key-unsaved_], [class*=st-key-product_grid_]";
  const QUESTION = "What you typed here is not saved. Close it and lose what you typed?";
  const RECONNECTING = "Reconnecting; what you typed is kept. Saving works again when this line is gone.";
  const CUT_OFF = "This page cannot connect again by itself. Copy what you typed, then load the page again.";
  const PATIENCE = 1000; // milliseconds without the server before the page says so

  const initial = new WeakMap(); // field -> its text before it was typed into
  const typed = new Set(); // fields and tables that hold what was typed since the last save
  let table = null; // the table whose cell is being edited: its editor lies outside of it

  function formOf(element) {
    const form = element.closest(FORM);
    return form && !form.querySelector("input[type=password]") ? form : null;
  }

  function unsaved(within = document) {
    return [...typed].filter(
      (element) => element.isConnected && within.contains(element) && element.value !== initial.get(element),
    );
  }

  addEventListener("focusin", ({ target }) => {
    table = target.closest("[data-testid=stDataFrame]") ?? (target.closest("[data-testid=portal]") ? table : null);
    if ("value" in target && !initial.has(target)) initial.set(target, target.value);
  }, true);

  addEventListener("input", ({ target }) => {
    const element = target.closest("[data-testid=portal]") ? table : target;
    if (element && formOf(element)) {
      // A table has no text to compare: undefined is not null.
      if (!initial.has(element)) initial.set(element, null);
      typed.add(element);
    }
  }, true);

  addEventListener("paste", () => {
    if (table && formOf(table)) initial.set(table, null), typed.add(table);
  }, true);

  addEventListener("beforeunload", (event) => {
    if (unsaved().length) event.preventDefault();
  });

  // Dialogs: Escape and the cross ask first; a click beside a dialog with typed values does nothing.

  function stop(event) {
    event.preventDefault();
    event.stopImmediatePropagation();
  }

  function askBeforeClosing(event, dialog) {
    const lost = unsaved(dialog);
    if (!lost.length) return;
    if (confirm(QUESTION)) lost.forEach((element) => typed.delete(element));
    else stop(event);
  }

  function topDialog() {
    return [...document.querySelectorAll("[role=dialog]")].filter((found) => found.querySelector("[aria-label=Close]")).pop();
  }

  addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    // Escape closes an open list, calendar or cell first.
    if (document.querySelector("[role=listbox], [role=application], [data-testid=portal] textarea, [data-testid=portal] input")) return;
    const dialog = topDialog();
    if (dialog) askBeforeClosing(event, dialog);
  }, true);

  addEventListener("click", (event) => {
    const dialog = event.target.closest("[role=dialog]");
    const cross = event.target.closest("[aria-label=Close]");
    if (dialog && cross?.parentElement === dialog) askBeforeClosing(event, dialog);
  }, true);

  for (const name of ["pointerdown", "mousedown", "pointerup", "mouseup", "click"]) {
    addEventListener(name, (event) => {
      const dialog = topDialog();
      const isBeside = dialog && event.target !== dialog && event.target.contains(dialog);
      if (isBeside && unsaved(dialog).length) stop(event);
    }, true);
  }

  // The server away: Streamlit's words are for developers, and its dialog covers what was typed.

  const line = document.createElement("div");
  line.id = "backstitch-connection";
  line.setAttribute("role", "status");
  let isAway = false;
  let wasConnected = false;
  let pending = 0;

  function show(words) {
    const app = getComputedStyle(document.querySelector("[data-testid=stApp]"));
    line.style.color = app.backgroundColor;
    line.style.background = app.color;
    line.textContent = words;
  }

  function follow() {
    const state = document.querySelector("[data-testid=stApp]")?.getAttribute("data-test-connection-state");
    if (!state) return;
    if (state === "CONNECTED") {
      clearTimeout(pending);
      line.textContent = "";
      // The server may be another one by now, which has to draw the page before it knows the page's buttons.
      if (isAway) document.body.dispatchEvent(new KeyboardEvent("keydown", { key: "r", code: "KeyR", bubbles: true }));
      isAway = false;
      wasConnected = true;
    } else if (wasConnected && !isAway) {
      isAway = true;
      pending = setTimeout(() => show(RECONNECTING), PATIENCE);
    }
    if (state === "DISCONNECTED_FOREVER") {
      clearTimeout(pending);
      show(CUT_OFF);
    }
  }

  function closeDeveloperWords() {
    const words = document.querySelector("[role=dialog] [data-testid=stErrorCodeBlock]");
    if (isAway && words) words.closest("[role=dialog]").querySelector("[aria-label=Close]").click();
  }

  function changed(records) {
    for (const { addedNodes } of records) {
      for (const node of addedNodes) {
        // The sentence that something was saved.
        if (node.querySelector?.("[data-testid=stAlertContentSuccess]")) typed.clear();
      }
    }
    follow();
    closeDeveloperWords();
  }

  document.body.append(line);
  new MutationObserver(changed).observe(document.body, {
    subtree: true,
    childList: true,
    attributeFilter: ["data-test-connection-state"],
  });
})();
