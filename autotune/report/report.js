// ---- tables: sort by a column, keep the rows that hold every word

const collator = new Intl.Collator("en", { numeric: true });
const sortValue = (row, column) => {
  const cell = row.cells[column];
  return cell.dataset.value === undefined ? cell.textContent : Number(cell.dataset.value);
};
function compare(a, b) {
  if (typeof a === "number" && typeof b === "number") return a - b;
  if (typeof a !== typeof b) return typeof a === "number" ? -1 : 1; // what has no number comes last
  return collator.compare(a, b);
}

for (const table of document.querySelectorAll("table")) {
  const body = table.tBodies[0];
  [...table.tHead.rows[0].cells].forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = head.textContent;
    head.replaceChildren(button);
    button.addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") === "ascending";
      for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const rows = [...body.rows].sort((a, b) => compare(sortValue(a, column), sortValue(b, column)) * (down ? -1 : 1));
      body.append(...rows);
    });
  });
}

for (const box of document.querySelectorAll("[data-searchable]")) {
  const rows = [...box.querySelectorAll("tbody tr")];
  const tools = document.createElement("div");
  tools.className = "tools";
  const input = document.createElement("input");
  input.type = "search";
  input.placeholder = "filter: m=64 gate_up";
  input.setAttribute("aria-label", "Filter rows");
  const count = document.createElement("span");
  const update = () => {
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const row of rows) {
      const text = row.textContent.toLowerCase();
      row.hidden = !words.every((word) => text.includes(word));
      shown += row.hidden ? 0 : 1;
    }
    count.textContent = `${shown} of ${rows.length}`;
  };
  input.addEventListener("input", update);
  tools.append(input, count);
  box.before(tools);
  update();
}

// ---- folds: a link to one opens it

const foldOf = (id) => document.getElementById(id)?.closest("details");
function openTarget() {
  const fold = foldOf(decodeURIComponent(location.hash.slice(1)));
  if (!fold) return;
  fold.open = true;
  fold.scrollIntoView();
}
window.addEventListener("hashchange", openTarget);
// The same link again changes no address.
document.addEventListener("click", (event) => {
  const link = event.target.closest?.('a[href^="#"]');
  if (link && link.getAttribute("href") === location.hash) openTarget();
});
if (location.hash) openTarget();
