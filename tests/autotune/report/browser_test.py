#!/usr/bin/env python3
"""Opens reports in a real headless browser: every figure draws, nothing is asked for beyond the file, nothing is thrown;
light and dark, wide and narrow. usage: browser_test.py REPORT_SAMPLE (the program that writes made-up reports)
Exit status 77 when there is no browser: skipped."""
import csv
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

import browser

SKIPPED = 77

# Per figure: what it says of itself, and how many of its pixels are painted, in how many colours.
FIGURES = """[...document.querySelectorAll("canvas")].map((canvas) => {
  const data = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
  const colours = new Set();
  let painted = 0;
  for (let i = 0; i < data.length; i += 4) {
    if (data[i + 3] === 0) continue;
    ++painted;
    if (data[i + 3] > 250) colours.add((data[i] << 16) | (data[i + 1] << 8) | data[i + 2]);
  }
  const figure = canvas.closest("figure");
  return { id: canvas.id, drawn: canvas.dataset.drawn, painted, colours: colours.size, label: canvas.ariaLabel,
           width: canvas.clientWidth, buttons: [...figure.querySelectorAll("button")].map((b) => b.textContent),
           failed: figure.dataset.failed || "" };
})"""

# WCAG's contrast of the page's text colours on its grounds.
CONTRASTS = """(() => {
  const channels = (name) => {
    const hex = getComputedStyle(document.documentElement).getPropertyValue(name).trim().slice(1);
    return [0, 2, 4].map((at) => parseInt(hex.slice(at, at + 2), 16) / 255);
  };
  const light = (name) => channels(name).map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const pairs = [["--ink", "--page"], ["--ink", "--panel"], ["--quiet", "--page"], ["--quiet", "--panel"],
                 ["--accent", "--page"], ["--accent", "--panel"], ["--warn-ink", "--warn"], ["--good-ink", "--good"],
                 ["--ink", "--share"]];
  return pairs.map(([ink, ground]) => {
    const [a, b] = [light(ink), light(ground)].sort((x, y) => y - x);
    return [`${ink} on ${ground}`, (a + 0.05) / (b + 0.05)];
  });
})()"""

# What the "data" buttons would save, by file name: the page's own links are not followed.
SAVED = """(async () => {
  const saved = {}, blobs = new Map();
  const make = URL.createObjectURL;
  URL.createObjectURL = (blob) => { const url = make.call(URL, blob); blobs.set(url, blob); return url; };
  const click = HTMLAnchorElement.prototype.click;
  HTMLAnchorElement.prototype.click = function () { saved[this.download] = blobs.get(this.href); };
  for (const button of document.querySelectorAll(".saves button")) button.click();
  await new Promise((done) => setTimeout(done, 500));
  HTMLAnchorElement.prototype.click = click;
  URL.createObjectURL = make;
  const texts = {};
  for (const [name, blob] of Object.entries(saved)) texts[name] = name.endsWith(".csv") ? await blob.text() : blob.size;
  return texts;
})()"""


def figures_of(page):
    text = re.search(r'<script type="application/json" id="figures">(.*?)</script>', page, re.DOTALL).group(1)
    return json.loads(text)


def with_figures(page, plots):
    text = json.dumps(plots).replace("<", "\\u003c")
    return re.sub(r'(id="figures">).*?(</script>)', lambda m: m.group(1) + text + m.group(2), page, flags=re.DOTALL)


class BrowserTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="qoq-report-")
        cls.browser = browser.Browser(browser.find())
        cls.pages = {}
        for name in ("report", "figures", "empty"):
            out = os.path.join(cls.folder, name)
            os.makedirs(out)
            subprocess.run([SAMPLE, out] + ([] if name == "report" else [name]), check=True)
            cls.pages[name] = os.path.join(out, "report.html")

    @classmethod
    def tearDownClass(cls):
        cls.browser.close()
        shutil.rmtree(cls.folder)

    def text_of(self, name):
        with open(self.pages[name], encoding="utf-8") as file:
            return file.read()

    def open_text(self, text, **how):
        path = os.path.join(self.folder, "changed.html")
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        self.browser.open(path, **how)

    def check_page(self, name, least_figures, **how):
        self.browser.open(self.pages[name], **how)
        found = self.browser.evaluate(FIGURES)
        self.assertGreaterEqual(len(found), least_figures)
        self.assertEqual(sorted(f["id"] for f in found), sorted(figures_of(self.text_of(name))))
        for figure in found:
            with self.subTest(page=name, figure=figure["id"], **how):
                self.assertEqual(figure["drawn"], "yes", figure["failed"])
                self.assertGreater(figure["painted"], 2000)
                self.assertGreaterEqual(figure["colours"], 3, "axes, text and marks differ")
                self.assertGreater(len(figure["label"]), 15)
                self.assertGreater(figure["width"], 200)
                self.assertEqual(figure["buttons"], ["data (CSV)", "picture (PNG)"])
        self.assertEqual(self.browser.complaints(), [])
        self.assertEqual(self.browser.requests(), ["file://" + self.pages[name]])
        width, shown = self.browser.evaluate("[document.documentElement.scrollWidth, window.innerWidth]")
        self.assertLessEqual(width, shown, "the page scrolls sideways")
        if how.get("width", 1280) < 600:
            self.assertEqual(self.browser.evaluate(
                "[...document.querySelectorAll('.table')].filter((t) => t.scrollWidth > t.clientWidth + 1).length"), 0,
                "on a narrow window rows are cards: no table scrolls")

    def test_every_figure_draws_and_nothing_leaves_the_file(self):
        for how in ({}, {"dark": True}, {"width": 400}, {"width": 400, "dark": True}):
            self.check_page("report", 6, **how)
            self.check_page("figures", 3, **how)
            self.check_page("empty", 0, **how)

    def test_dark_is_dark_and_readable(self):
        grounds = {}
        for dark in (False, True):
            self.browser.open(self.pages["report"], dark=dark)
            for pair, contrast in self.browser.evaluate(CONTRASTS):
                self.assertGreaterEqual(contrast, 4.5, f"{pair}, dark={dark}")
            colour = self.browser.evaluate("getComputedStyle(document.body).backgroundColor")
            grounds[dark] = sum(map(int, re.findall(r"\d+", colour)[:3]))
        self.assertGreater(grounds[False], 600)
        self.assertLess(grounds[True], 150)

    def test_each_figures_data_can_be_saved(self):
        for name in ("report", "figures"):
            self.browser.open(self.pages[name])
            saved = self.browser.evaluate(SAVED)
            for id, plot in figures_of(self.text_of(name)).items():
                self.assertGreater(saved[f"{id}.png"], 3000)
                rows = list(csv.reader(io.StringIO(saved[f"{id}.csv"])))[1:]
                if plot.get("kind") == "bars":
                    wanted = [(c, s["label"], "" if v is None else repr(v)) for s in plot["series"]
                              for c, v in zip(plot["x"]["categories"], s["values"])]
                    got = [(r[0], r[1], r[3]) for r in rows]
                else:
                    wanted = [(l["label"], float(x), float(y)) for l in plot["lines"] for x, y in l["points"]]
                    wanted += [(s["label"], float(p["x"]), float(p["y"])) for s in plot["series"] for p in s["points"]]
                    got = [(r[1], float(r[2]), float(r[3])) for r in rows]
                self.assertEqual(len(got), len(wanted))
                self.assertEqual(got, wanted)
            self.assertEqual(self.browser.requests()[0], "file://" + self.pages[name])
            self.assertTrue(all(r.startswith(("file://" + self.pages[name], "blob:")) for r in self.browser.requests()))

    def test_links_lead_somewhere_and_open_what_they_lead_to(self):
        self.browser.open(self.pages["report"])
        self.assertEqual(self.browser.evaluate(
            "[...document.querySelectorAll('a')].map((a) => a.getAttribute('href'))"
            ".filter((h) => !h.startsWith('#') || !document.getElementById(h.slice(1)))"), [])
        opened = self.browser.evaluate(
            """(async () => { const link = document.querySelector("td a"); link.click();
               await new Promise((done) => setTimeout(done, 200));
               const fold = document.getElementById(link.getAttribute("href").slice(1));
               return [fold.tagName, fold.open, fold.getBoundingClientRect().top < window.innerHeight,
                       document.querySelectorAll("details[open]").length]; })()""")
        self.assertEqual(opened, ["DETAILS", True, True, 1])

    def test_tables_sort_and_filter(self):
        self.browser.open(self.pages["report"])
        sorted_, filtered = self.browser.evaluate(
            """(() => { const box = document.querySelector("[data-searchable]"), table = box.querySelector("table");
               table.tHead.rows[0].cells[2].querySelector("button").click();
               const times = [...table.tBodies[0].rows].map((row) => Number(row.cells[2].dataset.value));
               const input = box.previousElementSibling.querySelector("input");
               input.value = "m=64 n=4096"; input.dispatchEvent(new Event("input"));
               return [times.every((t, i) => !i || times[i - 1] <= t) && times.length > 5,
                       [...table.tBodies[0].rows].filter((row) => !row.hidden).length]; })()""")
        self.assertTrue(sorted_)
        self.assertEqual(filtered, 2)
        self.assertEqual(self.browser.evaluate(
            "[...document.querySelectorAll('thead th')].filter((th) => th.scope !== 'col' || !th.textContent).length"), 0)

    def test_one_figure_that_fails_leaves_the_others(self):
        page = self.text_of("figures")
        plots = figures_of(page)
        broken = sorted(plots)[0]
        plots[broken]["series"] = None
        self.open_text(with_figures(page, plots))
        found = {f["id"]: f for f in self.browser.evaluate(FIGURES)}
        self.assertEqual(found[broken]["drawn"], "no")
        self.assertIn("could not be drawn", found[broken]["failed"])
        self.assertEqual([f["drawn"] for id, f in found.items() if id != broken], ["yes", "yes"])
        self.assertNotEqual(self.browser.complaints(), [])

    def test_on_paper_it_is_light(self):
        self.browser.open(self.pages["figures"], dark=True)
        before, during, after = self.browser.evaluate(
            """(() => { const ink = () => getComputedStyle(document.documentElement).getPropertyValue("--ink").trim();
               const all = [ink()];
               window.dispatchEvent(new Event("beforeprint")); all.push(ink());
               window.dispatchEvent(new Event("afterprint")); all.push(ink());
               return all; })()""")
        self.assertEqual(before, after)
        self.assertNotEqual(before, during)

    def test_a_request_would_be_seen_and_is_refused(self):
        """This test's own eyes: without the page's policy a foreign picture is asked for, and noticed; with it, not."""
        picture = '<img src="http://qoqtune.invalid/x.png" alt="">'
        page = self.text_of("empty")
        policy = re.search(r'<meta http-equiv="Content-Security-Policy"[^>]*>', page).group(0)
        self.open_text(page.replace(policy, "").replace("<main>", "<main>" + picture))
        self.assertIn("http://qoqtune.invalid/x.png", self.browser.requests())
        self.open_text(page.replace("<main>", "<main>" + picture))
        self.assertTrue(any("Content Security Policy" in text for text in self.browser.complaints()))


if __name__ == "__main__":
    SAMPLE = os.path.abspath(sys.argv.pop(1))
    if browser.find() is None:
        print("no Chromium was found: install chromium, or name another browser of its kind by QOQ_BROWSER")
        sys.exit(SKIPPED)
    unittest.main()
