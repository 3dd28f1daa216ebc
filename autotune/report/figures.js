"use strict";

// ---- figures: Chart.js draws axes, marks and tooltips; the page hands in what C++ computed (document.h: Figure)

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

const isLog = (axis, otherwise) => (axis.scale || otherwise) === "log";

function makeAxis(axis, otherwise) {
  const log = isLog(axis, otherwise);
  const ticks = { color: css("--quiet"), maxRotation: 0 };
  if (log) Object.assign(ticks, { autoSkip: false, callback(value) { return tickText(value, this); } });
  return {
    type: log ? "logarithmic" : "linear",
    min: axis.min,
    max: axis.max,
    title: { display: true, text: axis.label, color: css("--quiet") },
    ticks,
    grid: { color: css("--grid"), drawTicks: false, borderColor: css("--rule") },
  };
}

/** Names under groups of bars; turned where they would meet. */
function categoryAxis(axis) {
  return {
    title: { display: Boolean(axis.label), text: axis.label, color: css("--quiet") },
    ticks: { color: css("--quiet"), maxRotation: 60, autoSkip: false, font: { size: isNarrow() ? 10 : 12 } },
    grid: { display: false, borderColor: css("--rule") },
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

/** So many --series-N there are in report.css. */
const colours = 8;

function pointSets(plot) {
  const loud = plot.series.filter((series) => !series.quiet);
  const points = plot.series.map((series) => {
    const i = loud.indexOf(series);
    const color = series.quiet ? css("--quiet") : css(`--series-${i % colours}`);
    // Another operator's points are hollow, so they take a shape that has an inside.
    // Colours come again after the last one: then with another shape.
    const turn = i - Math.floor(i / colours);
    const shape = series.hollow ? shapes[turn % 4] : shapes[turn % shapes.length];
    const marks = series.plain || series.quiet ? 0 : 5;
    return {
      label: series.label,
      quiet: series.quiet,
      data: series.points,
      showLine: series.connected,
      borderColor: series.quiet ? color + "55" : series.plain ? color : color + "66",
      borderWidth: series.plain ? 2.5 : 1,
      backgroundColor: series.hollow ? "transparent" : color,
      pointStyle: series.plain ? "line" : shape,
      pointBorderColor: color,
      pointBorderWidth: series.hollow || turn % shapes.length > 3 ? 2 : 1,
      pointRadius: marks,
      pointHoverRadius: series.quiet ? 3 : 7,
      pointHitRadius: series.quiet ? 4 : 1,
      order: series.quiet ? 2 : 0,
    };
  });
  const ceilings = (plot.lines || []).map((line) => ({
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

function barSets(plot) {
  return plot.series.map((series, i) => {
    const color = css(`--series-${i % colours}`);
    return {
      label: series.label,
      data: series.values.map((value, k) => ({ x: plot.x.categories[k], y: value, text: series.text?.[k] })),
      backgroundColor: series.hollow ? "transparent" : color,
      borderColor: color,
      borderWidth: 2,
      borderDash: series.hollow ? [4, 3] : [],
      borderSkipped: false,
      pointStyle: "rect",
      maxBarThickness: 46,
    };
  });
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

const textOf = (item) => item.raw.text || [item.dataset.label, `${item.label || ""} ${item.formattedValue}`.trim()];

function draw(canvas, plot) {
  const bars = plot.kind === "bars";
  const font = { size: isNarrow() ? 11 : 12 };
  const y = bars ? makeAxis(plot.y, "linear") : makeAxis(plot.y, "log");
  if (bars && plot.y.min === undefined && !isLog(plot.y, "linear")) y.beginAtZero = true;
  return new Chart(canvas, {
    type: bars ? "bar" : "scatter",
    data: bars ? { labels: plot.x.categories, datasets: barSets(plot) } : { datasets: pointSets(plot) },
    plugins: [ceilingLabels],
    options: {
      animation: false,
      maintainAspectRatio: false,
      layout: { padding: { top: 6, right: 18 } },
      scales: { x: bars ? categoryAxis(plot.x) : makeAxis(plot.x, "log"), y },
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
            font,
            filter: (item, data) => !data.datasets[item.datasetIndex].ceiling && !data.datasets[item.datasetIndex].quiet,
          },
        },
        tooltip: {
          filter: (item) => !item.dataset.ceiling,
          displayColors: false,
          padding: 10,
          titleFont: font,
          bodyFont: font,
          callbacks: {
            title: (items) => (items.length ? wrapped(textOf(items[0])[0]) : ""),
            label: (item) => textOf(item).slice(1).flatMap(wrapped),
          },
        },
      },
    },
  });
}

Chart.defaults.font.family = getComputedStyle(document.body).fontFamily;
let charts = [];

/** One figure that cannot be drawn says so and leaves the others alone. */
function drawAll() {
  charts.forEach((chart) => chart.destroy());
  charts = [];
  for (const [id, plot] of Object.entries(figures)) {
    const canvas = document.getElementById(id);
    try {
      charts.push(draw(canvas, plot));
      canvas.dataset.drawn = "yes";
    } catch (error) {
      canvas.dataset.drawn = "no";
      canvas.closest("figure").dataset.failed = `This figure could not be drawn: ${error.message}`;
      console.error(id, error);
    }
  }
}
drawAll();
window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);

// Paper is white whatever the screen is.
function redrawOnPaper(paper) {
  document.documentElement.classList.toggle("paper", paper);
  drawAll();
}
window.addEventListener("beforeprint", () => redrawOnPaper(true));
window.addEventListener("afterprint", () => redrawOnPaper(false));

// ---- each figure's numbers as a file, made here: nothing is fetched

function csvField(value) {
  const text = value === null || value === undefined ? "" : String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

function csvRows(plot) {
  if (plot.kind === "bars") {
    const head = [plot.x.label || "category", "series", "predicted", plot.y.label, "text"];
    return [head].concat(plot.series.flatMap((series) => series.values.map((value, k) =>
      [plot.x.categories[k], series.label, series.hollow ? 1 : 0, value, (series.text?.[k] || []).join("; ")])));
  }
  const ceilings = (plot.lines || []).flatMap((line) => line.points.map(([x, y]) => ["ceiling", line.label, x, y, line.kind]));
  const points = plot.series.flatMap((series) => series.points.map((p) => ["point", series.label, p.x, p.y, (p.text || []).join("; ")]));
  return [["kind", "series", plot.x.label, plot.y.label, "text"]].concat(ceilings, points);
}

const figureCsv = (id) => csvRows(figures[id]).map((row) => row.map(csvField).join(",") + "\r\n").join("");

function save(name, blob) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

/** The picture has the page's ground: a transparent one is black in some viewers. */
function savePicture(id) {
  const drawn = document.getElementById(id);
  const copy = document.createElement("canvas");
  copy.width = drawn.width;
  copy.height = drawn.height;
  const ctx = copy.getContext("2d");
  ctx.fillStyle = css("--panel");
  ctx.fillRect(0, 0, copy.width, copy.height);
  ctx.drawImage(drawn, 0, 0);
  copy.toBlob((blob) => save(`${id}.png`, blob));
}

for (const id of Object.keys(figures)) {
  const bar = document.createElement("div");
  bar.className = "saves";
  const title = document.getElementById(id).closest("figure").querySelector("h4").textContent;
  const add = (text, what, act) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = text;
    button.setAttribute("aria-label", `${what} of: ${title}`);
    button.addEventListener("click", act);
    bar.append(button);
  };
  add("data (CSV)", "Save the data", () => save(`${id}.csv`, new Blob([figureCsv(id)], { type: "text/csv" })));
  add("picture (PNG)", "Save the picture", () => savePicture(id));
  document.getElementById(id).closest("figure").append(bar);
}
