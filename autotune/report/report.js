"use strict";

// ---- figures: Chart.js draws axes, points and tooltips; the page hands in what C++ computed

const figures = JSON.parse(document.getElementById("figures").textContent);
const shapes = ["circle", "triangle", "rect", "rectRot", "star", "cross"];
const dashes = { memory: [], tensor: [], cuda_core: [7, 4] };
const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const isNarrow = () => window.innerWidth < 704;

/** 0.5, 20, 1000: the values that a logarithmic axis labels; only decades where it spans more than three. */
function tickText(value, scale) {
  const digit = value / 10 ** Math.floor(Math.log10(value) + 1e-9);
  const wide = scale.max / scale.min > 1e3 || isNarrow();
  const labelled = (wide ? [1] : [1, 2, 5]).some((d) => Math.abs(digit - d) < 1e-6);
  return labelled ? Number(value.toPrecision(2)).toLocaleString("en") : "";
}

function logAxis(axis) {
  return {
    type: "logarithmic",
    min: axis.min,
    max: axis.max,
    title: { display: true, text: axis.label, color: css("--quiet") },
    ticks: {
      color: css("--quiet"),
      autoSkip: false,
      maxRotation: 0,
      callback(value) { return tickText(value, this); },
    },
    grid: { color: css("--grid"), drawTicks: false, borderColor: css("--rule") },
  };
}

/**
 * Names horizontal lines upon themselves, at their right ends; further left where another's name is in the way. A line
 * too short for that has its name in the table of ceilings only.
 */
function nameFlatCeilings(ctx, area, lines) {
  const height = isNarrow() ? 11 : 13;
  const taken = [];
  const free = (box) => taken.every((o) => box.right < o.left || o.right < box.left || box.bottom < o.top || o.bottom < box.top);
  ctx.textAlign = "right";
  ctx.textBaseline = "middle";
  for (const { label, y, begin } of lines.sort((a, b) => a.y - b.y)) {
    const width = ctx.measureText(label).width;
    const rights = [area.right - 6, ...taken.map((o) => o.left - 12).sort((a, b) => b - a)];
    const boxes = rights.map((right) => ({ left: right - width, right, top: y - height / 2, bottom: y + height / 2 }));
    const box = boxes.find((b) => free(b) && b.left > begin + 8);
    if (!box) continue;
    taken.push(box);
    ctx.fillStyle = css("--panel");
    ctx.fillRect(box.left - 4, box.top + 1, width + 8, height - 2);
    ctx.fillStyle = css("--roof");
    ctx.fillText(label, box.right, y);
  }
}

/** Each ceiling's name along its line. */
function nameCeilings(chart) {
  const { ctx, chartArea: area } = chart;
  ctx.save();
  ctx.font = `${isNarrow() ? 10 : 12}px ${Chart.defaults.font.family}`;
  ctx.fillStyle = css("--roof");
  const flat = [];
  chart.data.datasets.forEach((set, index) => {
    if (!set.ceiling || !chart.isDatasetVisible(index)) return;
    const [from, to] = chart.getDatasetMeta(index).data;
    const width = ctx.measureText(set.label).width;
    const slope = Math.atan2(to.y - from.y, to.x - from.x);
    ctx.save();
    if (slope === 0) {
      flat.push({ label: set.label, y: from.y, begin: from.x });
    } else {
      const others = chart.data.datasets.slice(0, index).filter((other) => other.kind === set.kind).length;
      const x = from.x + 14, y = from.y + 14 * Math.tan(slope);
      ctx.translate(x, y);
      ctx.rotate(slope);
      ctx.textBaseline = others ? "top" : "bottom";
      if (width < Math.hypot(to.x - x, to.y - y)) ctx.fillText(set.label, 0, others ? 5 : -5);
    }
    ctx.restore();
  });
  nameFlatCeilings(ctx, area, flat);
  ctx.restore();
}

/** The names lie upon the lines and under the points: they come before the first set of points that is drawn. */
const ceilingLabels = {
  id: "ceilingLabels",
  beforeDatasetsDraw(chart) { chart.named = false; },
  beforeDatasetDraw(chart, { index }) {
    if (chart.named || chart.data.datasets[index].ceiling) return;
    nameCeilings(chart);
    chart.named = true;
  },
  afterDatasetsDraw(chart) { if (!chart.named) nameCeilings(chart); },
};

function datasets(plot) {
  const points = plot.series.map((series, i) => {
    const color = css(`--series-${i % 6}`);
    // Another operator's points are hollow, so they take a shape that has an inside.
    const shape = series.hollow ? shapes[i % 4] : shapes[i % shapes.length];
    return {
      label: series.label,
      data: series.points,
      showLine: series.connected,
      borderColor: color + "66",
      borderWidth: 1,
      backgroundColor: series.hollow ? "transparent" : color,
      pointStyle: shape,
      pointBorderColor: color,
      pointBorderWidth: series.hollow || i % 6 > 3 ? 2 : 1,
      pointRadius: 5,
      pointHoverRadius: 7,
    };
  });
  const ceilings = plot.lines.map((line) => ({
    label: line.label,
    kind: line.kind,
    ceiling: true,
    data: line.points.map(([x, y]) => ({ x, y })),
    showLine: true,
    pointRadius: 0,
    pointHitRadius: 0,
    borderColor: css("--roof"),
    borderWidth: 1.5,
    borderDash: line.lesser ? [2, 3] : dashes[line.kind],
    order: 1,
  }));
  return points.concat(ceilings);
}

/** Breaks a long variant id so that the tooltip fits a narrow window. */
function wrapped(text) {
  const limit = isNarrow() ? 36 : 90;
  const lines = [""];
  for (const part of text.split(/(?<= |\.(?=[a-z]))/)) {
    if (lines[lines.length - 1].length + part.length > limit) lines.push("");
    lines[lines.length - 1] += part;
  }
  return lines;
}

function draw(id, plot) {
  return new Chart(document.getElementById(id), {
    type: "scatter",
    data: { datasets: datasets(plot) },
    plugins: [ceilingLabels],
    options: {
      animation: false,
      maintainAspectRatio: false,
      layout: { padding: { top: 6, right: 18 } },
      scales: { x: logAxis(plot.x), y: logAxis(plot.y) },
      interaction: { mode: "nearest", intersect: true },
      plugins: {
        legend: {
          position: "bottom",
          labels: {
            usePointStyle: true,
            color: css("--ink"),
            boxWidth: 9,
            boxHeight: 7,
            padding: 14,
            font: { size: isNarrow() ? 11 : 12 },
            filter: (item, data) => !data.datasets[item.datasetIndex].ceiling,
          },
        },
        tooltip: {
          filter: (item) => !item.dataset.ceiling,
          displayColors: false,
          padding: 10,
          titleFont: { size: isNarrow() ? 11 : 12 },
          bodyFont: { size: isNarrow() ? 11 : 12 },
          callbacks: {
            title: (items) => (items.length ? wrapped(items[0].raw.text[0]) : ""),
            label: (item) => item.raw.text.slice(1).flatMap(wrapped),
          },
        },
      },
    },
  });
}

Chart.defaults.font.family = getComputedStyle(document.body).fontFamily;
let charts = [];
function drawAll() {
  charts.forEach((chart) => chart.destroy());
  charts = Object.entries(figures).map(([id, plot]) => draw(id, plot));
}
drawAll();
window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);

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
