"use strict";
// Sorts and filters tables. Without it they are plain tables, with every row in place.
const unit = { ms: 1e-3, s: 1, min: 60, h: 3600 };
function size(text) {
  const found = text.replace(/,/g, "").replace("\u2212", "-").match(/^\D{0,2}?(-?\d*\.?\d+(?:e[-+]?\d+)?)\s*(ms|s|min|h)?\b/);
  return found ? Number(found[1]) * (unit[found[2]] || 1) : NaN;
}
function order(a, b, numeric) {
  if (numeric) {
    const [x, y] = [size(a), size(b)];
    if (!isNaN(x) || !isNaN(y)) return isNaN(x) ? 1 : isNaN(y) ? -1 : x - y;
  }
  return a.localeCompare(b, "en", { numeric: true });
}
for (const table of document.querySelectorAll("table")) {
  const body = table.tBodies[0];
  const rows = [...body.rows];
  if (rows.length < 4) continue;
  [...table.tHead.rows[0].cells].forEach((head, at) => {
    // No real button: browsers do not print one where a head is repeated on the next page.
    const button = document.createElement("span");
    button.setAttribute("role", "button");
    button.tabIndex = 0;
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" && event.key !== " ") return;
      event.preventDefault();
      button.click();
    });
    button.addEventListener("click", () => {
      const falling = head.getAttribute("aria-sort") === "ascending";
      for (const other of head.parentNode.cells) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", falling ? "descending" : "ascending");
      const numeric = head.classList.contains("number");
      const texts = new Map(rows.map((row) => [row, row.cells[at].textContent.trim()]));
      const sorted = [...rows].sort((a, b) => order(texts.get(a), texts.get(b), numeric) * (falling ? -1 : 1));
      body.append(...sorted);
    });
  });
  if (rows.length < 9) continue;
  const scroll = table.parentNode;
  const label = document.createElement("label");
  const input = document.createElement("input");
  const count = document.createElement("span");
  label.className = "filter";
  input.type = "search";
  count.setAttribute("role", "status");
  label.append("Filter rows ", input, count);
  scroll.before(label);
  input.addEventListener("input", () => {
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const row of rows) {
      const text = row.textContent.toLowerCase();
      row.hidden = !words.every((word) => text.includes(word));
      shown += !row.hidden;
    }
    count.textContent = words.length ? `${shown} of ${rows.length}` : "";
  });
}
// A link into something folded opens it.
function unfold() {
  const target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
  for (let at = target; at; at = at.parentElement) if (at.tagName === "DETAILS") at.open = true;
}
addEventListener("hashchange", unfold);
unfold();
