// A figure as a picture for Markdown: what figures.js draws in the page, on white, without a browser.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <iterator>

#include "autotune/report/axis.h"
#include "autotune/report/document.h"

namespace qoq::report {
namespace {

using nlohmann::json;

constexpr double kWidth = 960, kPlotHeight = 460, kLeft = 76, kRight = 22, kTop = 44, kBottom = 58;
constexpr double kLetter = 6.9;  ///< mean width of a letter of the texts' 12 px
// The light colours of report.css.
constexpr std::array kSeries = {"#0072b2", "#d55e00", "#009e73", "#b4559a", "#c98a00", "#4a9fd0", "#332288", "#6b3e1e"};
constexpr const char *kInk = "#1a1f26", *kQuiet = "#5d6875", *kGrid = "#e9ecf0", *kRoof = "#39424d";

std::string escape(std::string_view text) {
  std::string out;
  for (char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '&') {
      out += "&amp;";
    } else if (c == '<') {
      out += "&lt;";
    } else if (c == '>') {
      out += "&gt;";
    } else if (c == '"') {
      out += "&quot;";
    } else {
      out += byte < 0x20 || byte == 0x7f ? ' ' : c;
    }
  }
  return out;
}

/// Letters, not bytes.
double text_width(std::string_view text) {
  return kLetter * static_cast<double>(std::count_if(text.begin(), text.end(), [](char c) {
           return (static_cast<unsigned char>(c) & 0xc0) != 0x80;
         }));
}

/// A mark around a point, as a path; the shapes of figures.js in its order.
std::string mark(size_t shape, double x, double y) {
  constexpr double r = 5;
  switch (shape) {
    case 0:
      return fmt::format("M{:.1f} {:.1f}a{r} {r} 0 1 0 {d} 0a{r} {r} 0 1 0 -{d} 0Z", x - r, y, fmt::arg("r", r),
                         fmt::arg("d", 2 * r));
    case 1:
      return fmt::format("M{:.1f} {:.1f}l{} {}h-{}Z", x, y - r, r, 1.8 * r, 2 * r);
    case 2:
      return fmt::format("M{:.1f} {:.1f}h{d}v{d}h-{d}Z", x - r, y - r, fmt::arg("d", 2 * r));
    case 3:
      return fmt::format("M{:.1f} {:.1f}l{r} {r}l-{r} {r}l-{r} -{r}Z", x, y - r, fmt::arg("r", r));
    case 4:
      return fmt::format("M{:.1f} {:.1f}l{d} {d}m0 -{d}l-{d} {d}M{:.1f} {:.1f}h{d}M{:.1f} {:.1f}v{d}", x - r, y - r,
                         x - r, y, x, y - r, fmt::arg("d", 2 * r));
    default:
      return fmt::format("M{:.1f} {:.1f}h{d}M{:.1f} {:.1f}v{d}", x - r, y, x, y - r, fmt::arg("d", 2 * r));
  }
}

class Picture {
 public:
  void text(double x, double y, std::string_view words, const char* style, const char* color = kInk) {
    put("<text x=\"{:.1f}\" y=\"{:.1f}\" fill=\"{}\" {}>{}</text>\n", x, y, color, style, escape(words));
  }
  void line(double x1, double y1, double x2, double y2, const char* color, double width, const char* dashes = "") {
    put("<path d=\"M{:.1f} {:.1f}L{:.1f} {:.1f}\" stroke=\"{}\" stroke-width=\"{}\" fill=\"none\" {}/>\n", x1, y1, x2,
        y2, color, width, dashes);
  }
  template <class... Args>
  void put(fmt::format_string<Args...> format, Args&&... args) {
    fmt::format_to(std::back_inserter(out_), format, std::forward<Args>(args)...);
  }

  /// Grid, numbers and names of both axes; without x, its categories are named by who draws them.
  void axes(const Axis* x, const Axis& y) {
    for (const Tick& tick : y.ticks()) {
      const double at = y.pixel(tick.value);
      line(kLeft, at, kWidth - kRight, at, kGrid, 1);
      if (!tick.text.empty()) text(kLeft - 8, at + 4, tick.text, "text-anchor=\"end\"", kQuiet);
    }
    if (x) {
      for (const Tick& tick : x->ticks()) {
        const double at = x->pixel(tick.value);
        line(at, kTop, at, kTop + kPlotHeight, kGrid, 1);
        if (!tick.text.empty()) text(at, kTop + kPlotHeight + 18, tick.text, "text-anchor=\"middle\"", kQuiet);
      }
      text((kLeft + kWidth - kRight) / 2, kTop + kPlotHeight + 42, x->label(), "text-anchor=\"middle\"", kQuiet);
    }
    const double middle = kTop + kPlotHeight / 2;
    put("<text transform=\"translate(18 {:.1f}) rotate(-90)\" text-anchor=\"middle\" fill=\"{}\">{}</text>\n", middle,
        kQuiet, escape(y.label()));
  }

  /// One entry after the other, in as many lines as it takes; `draw` draws its mark around a point.
  template <class Draw>
  void legend_entry(std::string_view label, Draw draw) {
    const double width = 22 + text_width(label) + 18;
    if (legend_x_ + width > kWidth - kRight && legend_x_ > kLeft) {
      legend_x_ = kLeft;
      height_ += 20;
    }
    draw(legend_x_ + 6, height_ - 4);
    text(legend_x_ + 18, height_, label, "");
    legend_x_ += width;
  }

  void leave_room(double pixels) { height_ += pixels; }

  std::string finish(const Figure& figure) const {
    return fmt::format(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {0} {1}\" width=\"{0}\" height=\"{1}\" role=\"img\" "
        "aria-label=\"{2}\" font-family=\"system-ui, 'Liberation Sans', sans-serif\" font-size=\"12\">\n"
        "<title>{3}</title>\n<rect width=\"{0}\" height=\"{1}\" fill=\"#ffffff\"/>\n"
        "<text x=\"{4}\" y=\"24\" font-size=\"15\" font-weight=\"600\" fill=\"{5}\">{3}</text>\n{6}</svg>\n",
        kWidth, height_ + 18, escape(figure.alt), escape(figure.title), kLeft, kInk, out_);
  }

 private:
  std::string out_;
  double legend_x_ = kLeft, height_ = kTop + kPlotHeight + kBottom + 10;
};

// ---- points

struct Box {
  double left, right, top, bottom;
  bool meets(const Box& o) const { return !(right < o.left || o.right < left || bottom < o.top || o.bottom < top); }
};

/// Names a horizontal ceiling upon itself at its right end, further left where another's name is in the way.
void name_flat_line(Picture& picture, std::string_view label, double begin, double y, std::vector<Box>& taken) {
  const double width = text_width(label);
  std::vector<double> rights = {kWidth - kRight - 6};
  for (const Box& box : taken) rights.push_back(box.left - 12);
  std::ranges::sort(rights, std::greater{});
  for (const double right : rights) {
    const Box box{right - width, right, y - 7, y + 7};
    if (box.left < begin + 8 || std::ranges::any_of(taken, [&](const Box& o) { return o.meets(box); })) continue;
    taken.push_back(box);
    picture.put("<rect x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" height=\"14\" fill=\"#ffffff\"/>\n", box.left - 4,
                y - 7, width + 8);
    picture.text(right, y + 4, label, "text-anchor=\"end\"", kRoof);
    return;
  }
}

void draw_ceilings(Picture& picture, const json& lines, const Axis& x, const Axis& y) {
  std::vector<Box> taken;
  int rising = 0;
  for (const json& entry : lines) {
    const json& points = entry.at("points");
    const double x1 = x.pixel(points.front()[0]), y1 = y.pixel(points.front()[1]);
    const double x2 = x.pixel(points.back()[0]), y2 = y.pixel(points.back()[1]);
    const char* dashes = entry.value("lesser", false)             ? "stroke-dasharray=\"2 3\""
                         : entry.value("kind", "") == "cuda_core" ? "stroke-dasharray=\"7 4\""
                                                                  : "";
    picture.line(x1, y1, x2, y2, kRoof, 1.5, dashes);
    const std::string label = entry.value("label", "");
    if (std::abs(y1 - y2) < 0.5) {
      name_flat_line(picture, label, x1, y1, taken);
      continue;
    }
    const double degrees = std::atan2(y2 - y1, x2 - x1) * 180 / 3.14159265358979;
    picture.put("<text transform=\"translate({:.1f} {:.1f}) rotate({:.2f}) translate(14 {})\" fill=\"{}\">{}</text>\n",
                x1, y1, degrees, rising++ == 0 ? -6 : 15, kRoof, escape(label));
  }
}

void draw_series(Picture& picture, const json& series, size_t number, const Axis& x, const Axis& y) {
  const bool quiet = series.value("quiet", false), hollow = series.value("hollow", false);
  const bool marks = !quiet && !series.value("plain", false);
  const std::string color = quiet ? kQuiet : kSeries.at(number % kSeries.size());
  const size_t shape = (number - number / kSeries.size()) % (hollow ? 4 : 6);
  std::string path, points;
  for (const json& point : series.at("points")) {
    const double px = point.at("x"), py = point.at("y");
    if (!x.shows(px) || !y.shows(py)) continue;
    path += fmt::format("{}{:.1f} {:.1f}", path.empty() ? "M" : "L", x.pixel(px), y.pixel(py));
    if (marks) points += mark(shape, x.pixel(px), y.pixel(py));
  }
  if (series.value("connected", false)) {
    picture.put("<path d=\"{}\" fill=\"none\" stroke=\"{}\" stroke-width=\"{}\" opacity=\"{}\"/>\n", path, color,
                marks || quiet ? 1 : 2.5, marks || quiet ? 0.4 : 1);
  }
  const char* paint = hollow || shape > 3 ? "none" : color.c_str();
  if (marks) picture.put("<path d=\"{}\" fill=\"{}\" stroke=\"{}\" stroke-width=\"1.6\"/>\n", points, paint, color);
  if (quiet) return;
  picture.legend_entry(series.value("label", ""), [&](double at_x, double at_y) {
    if (!marks) return picture.line(at_x - 6, at_y, at_x + 6, at_y, color.c_str(), 2.5);
    picture.put("<path d=\"{}\" fill=\"{}\" stroke=\"{}\" stroke-width=\"1.6\"/>\n", mark(shape, at_x, at_y), paint,
                color);
  });
}

void draw_points(Picture& picture, const json& plot) {
  const json none = json::array();
  const json& lines = plot.contains("lines") ? plot["lines"] : none;
  Extent across, up;
  for (const json& series : plot.at("series")) {
    for (const json& point : series.at("points")) {
      across.include(point.at("x"));
      up.include(point.at("y"));
    }
  }
  const Axis x(plot.at("x"), true, across, kLeft, kWidth - kRight);
  const Axis y(plot.at("y"), true, up, kTop + kPlotHeight, kTop);
  picture.axes(&x, y);
  draw_ceilings(picture, lines, x, y);
  size_t number = 0;
  for (const json& series : plot.at("series"))
    draw_series(picture, series, series.value("quiet", false) ? 0 : number++, x, y);
}

// ---- bars

/// Names under the groups: level where they fit, else slanting.
void name_categories(Picture& picture, const json& x, double group) {
  const json& names = x.at("categories");
  double widest = 0;
  for (const json& name : names) widest = std::max(widest, text_width(name.get<std::string>()));
  const double below = kTop + kPlotHeight + 18;
  const bool level = widest + 8 <= group;
  for (size_t i = 0; i < names.size(); ++i) {
    const double at = kLeft + (static_cast<double>(i) + 0.5) * group;
    if (level) {
      picture.text(at, below, names[i].get<std::string>(), "text-anchor=\"middle\"", kQuiet);
    } else {
      picture.put(
          "<text transform=\"translate({:.1f} {:.1f}) rotate(-35)\" text-anchor=\"end\" fill=\"{}\">{}</text>\n",
          at + 4, below - 4, kQuiet, escape(names[i].get<std::string>()));
    }
  }
  const double slant = level ? 0 : std::max(0.0, widest * 0.58 - 20);
  picture.text((kLeft + kWidth - kRight) / 2, below + 24 + slant, x.value("label", ""), "text-anchor=\"middle\"",
               kQuiet);
  picture.leave_room(slant);
}

void draw_bars(Picture& picture, const json& plot) {
  const json& all = plot.at("series");
  Extent up;
  const bool linear = plot.at("y").value("scale", "linear") == "linear";
  if (linear) up.include(0);
  for (const json& series : all) {
    for (const json& value : series.at("values")) {
      if (value.is_number()) up.include(value);
    }
  }
  const Axis y(plot.at("y"), false, up, kTop + kPlotHeight, kTop);
  picture.axes(nullptr, y);
  const double groups = std::max<double>(1, static_cast<double>(plot.at("x").at("categories").size()));
  const double group = (kWidth - kLeft - kRight) / groups;
  const double bar = std::min(46.0, group * 0.84 / std::max<double>(1, static_cast<double>(all.size())));
  const double foot = y.pixel(linear ? std::max(0.0, y.least()) : y.least());
  name_categories(picture, plot.at("x"), group);
  for (size_t k = 0; k < all.size(); ++k) {
    const json& series = all[k];
    const char* color = kSeries.at(k % kSeries.size());
    const std::string paint =
        series.value("hollow", false)
            ? fmt::format("fill=\"none\" stroke=\"{}\" stroke-width=\"1.6\" stroke-dasharray=\"4 2\"", color)
            : fmt::format("fill=\"{0}\" stroke=\"{0}\"", color);
    const double offset = (static_cast<double>(k) - static_cast<double>(all.size()) / 2) * bar;
    for (size_t i = 0; i < series.at("values").size(); ++i) {
      const json& value = series["values"][i];
      if (!value.is_number() || !y.shows(value)) continue;
      const double head = y.pixel(value), left = kLeft + (static_cast<double>(i) + 0.5) * group + offset;
      picture.put("<rect x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" height=\"{:.1f}\" {}/>\n", left + 1,
                  std::min(head, foot), bar - 2, std::abs(head - foot), paint);
    }
    picture.legend_entry(series.value("label", ""), [&](double at_x, double at_y) {
      picture.put("<rect x=\"{:.1f}\" y=\"{:.1f}\" width=\"10\" height=\"10\" {}/>\n", at_x - 5, at_y - 5, paint);
    });
  }
}

}  // namespace

std::string to_svg(const Figure& figure) {
  Picture picture;
  if (figure.plot.value("kind", "") == "bars") {
    draw_bars(picture, figure.plot);
  } else {
    draw_points(picture, figure.plot);
  }
  return picture.finish(figure);
}

}  // namespace qoq::report
