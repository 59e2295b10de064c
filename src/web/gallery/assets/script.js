// What makes the pages quicker to use. Without it everything works.
"use strict";

document.documentElement.classList.add("script");

// Copies the text of an element.
for (const button of document.querySelectorAll("[data-copy]")) {
  if (!navigator.clipboard) break;
  button.hidden = false;
  const label = button.textContent;
  button.addEventListener("click", async () => {
    const text = document.getElementById(button.dataset.copy).textContent;
    try {
      await navigator.clipboard.writeText(text);
      button.textContent = "Copied";
    } catch {
      button.textContent = "Not allowed";
    }
    setTimeout(() => { button.textContent = label; }, 2000);
  });
}

// A filter that is chosen counts at once.
for (const form of document.querySelectorAll("form.filter")) {
  form.addEventListener("change", () => form.requestSubmit());
  form.addEventListener("submit", () => {
    for (const field of form.elements) if (field.name && !field.value) field.disabled = true;
  });
  addEventListener("pageshow", () => {
    for (const field of form.elements) field.disabled = false;
  });
}

// An image that does not load gives way to a drawn one.
const broken = (image) => image.closest(".picture")?.classList.add("broken");
for (const image of document.querySelectorAll(".picture img")) {
  if (image.complete && image.naturalWidth === 0 && image.currentSrc) broken(image);
  image.addEventListener("error", () => broken(image));
}

// The slash leads to the field that finds; arrows lead from image to image.
const tiles = [...document.querySelectorAll(".grid .tile")];
addEventListener("keydown", (event) => {
  const typing = event.target.closest?.("input, select, textarea, [contenteditable]");
  if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "/") {
    event.preventDefault();
    document.getElementById("find").select();
    return;
  }
  const at = tiles.indexOf(document.activeElement);
  if (at < 0) return;
  const row = tiles.filter((tile) => tile.offsetTop === tiles[at].offsetTop).length;
  const sideways = getComputedStyle(tiles[at]).direction === "rtl" ? -1 : 1;
  const step = { ArrowRight: sideways, ArrowLeft: -sideways, ArrowDown: row, ArrowUp: -row }[event.key];
  if (!step) return;
  const next = tiles[at + step];
  if (next) {
    event.preventDefault();
    next.focus();
  }
});

// A run that is under way is shown as it goes on; when it is over, the page with its report.
const live = document.querySelector("[data-events]");
if (live) {
  const number = (n) => String(n).replace(/\B(?=(\d{3})+$)/g, "\u202f");
  const length = (n) => {
    const units = ["B", "KiB", "MiB", "GiB", "TiB"];
    let unit = 0;
    while (n >= 1024 && unit < units.length - 1) { n /= 1024; unit += 1; }
    return `${unit && n < 100 ? n.toFixed(1) : Math.round(n)}\u00a0${units[unit]}`;
  };
  const say = (id, text) => { document.getElementById(id).textContent = text; };
  const source = new EventSource(live.dataset.events);
  source.addEventListener("progress", (event) => {
    const now = JSON.parse(event.data);
    for (const name of ["documents", "to_read", "images", "failures"]) say(name, number(now[name]));
    say("bytes", length(now.bytes));
    const bar = document.getElementById("bar");
    if (now.to_read > 0) {
      bar.max = now.to_read;
      bar.value = now.documents;
    }
  });
  source.addEventListener("state", (event) => {
    const { state } = JSON.parse(event.data);
    const mark = document.getElementById("state");
    mark.className = `state ${state}`;
    mark.textContent = state;
    if (state === "done" || state === "failed") {
      source.close();
      location.reload();
    }
  });
  source.addEventListener("error", () => {
    // A stream that was refused is not tried again by itself.
    if (source.readyState === EventSource.CLOSED) setTimeout(() => location.reload(), 3000);
  });
}
