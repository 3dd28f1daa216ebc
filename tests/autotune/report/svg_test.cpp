// Figures as pictures: where their marks lie, that every kind is one, and that their text stays text.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "autotune/report/axis.h"
#include "autotune/report/document.h"
#include "html_reader.h"
#include "kernels/base/file.h"

namespace qoq::report {
namespace {

using nlohmann::json;

Extent extent(double least, double most) {
  Extent all;
  all.include(least);
  all.include(most);
  return all;
}

std::vector<std::string> named_ticks(const Axis& axis) {
  std::vector<std::string> texts;
  for (const Tick& tick : axis.ticks()) {
    if (!tick.text.empty()) texts.push_back(tick.text);
  }
  return texts;
}

TEST(Axis, ALogarithmicOneNamesDecadesAndWhereThereIsRoomTwoAndFive) {
  const json given = {{"label", "TOPS"}, {"min", 1}, {"max", 1000}};
  const Axis axis(given, true, {}, 0, 300);
  EXPECT_NEAR(axis.pixel(1), 0, 1e-9);
  EXPECT_NEAR(axis.pixel(10), 100, 1e-9);
  EXPECT_NEAR(axis.pixel(1000), 300, 1e-9);
  EXPECT_NEAR(axis.pixel(1e9), 300, 1e-9) << "what lies outside stays at the end";
  EXPECT_EQ(named_ticks(axis),
            (std::vector<std::string>{"1", "2", "5", "10", "20", "50", "100", "200", "500", "1,000"}));
  EXPECT_FALSE(axis.shows(0));
  EXPECT_EQ(named_ticks(Axis({{"min", 1}, {"max", 1e5}}, true, {}, 0, 300)).size(), 6u) << "decades alone";
}

TEST(Axis, ALinearOneTakesWholeStepsAroundItsData) {
  const Axis axis({{"scale", "linear"}}, true, extent(0, 0.88), 100, 0);
  EXPECT_EQ(named_ticks(axis), (std::vector<std::string>{"0", "0.2", "0.4", "0.6", "0.8", "1"}));
  EXPECT_NEAR(axis.pixel(0.5), 50, 1e-9);
  const Axis below({{"scale", "linear"}, {"min", -1}}, true, extent(-0.5, 19), 100, 0);
  EXPECT_EQ(named_ticks(below).front(), "0") << "not -0";
  EXPECT_TRUE(axis.shows(0));
  EXPECT_FALSE(axis.shows(NAN));
}

TEST(Axis, HasARangeWhateverItIsGiven) {
  for (const json& given :
       {json{{"scale", "linear"}}, json{{"scale", "log"}}, json{{"min", 5}, {"max", 5}}, json{{"min", 0}}}) {
    const Axis axis(given, true, extent(7, 7), 0, 100);
    EXPECT_GE(axis.pixel(7), 0) << given;
    EXPECT_LE(axis.pixel(7), 100) << given;
    EXPECT_FALSE(axis.ticks().empty()) << given;
    EXPECT_LT(axis.ticks().size(), 200u) << given;
  }
}

Figure figure(json plot) {
  return {.id = "f", .title = "<T> & co", .alt = "a \"b\"", .caption = "", .plot = std::move(plot)};
}

/// Attributes of the elements of that name; the reader throws where the picture is no tree of elements.
std::vector<std::map<std::string, std::string>> elements(const std::string& svg, const std::string& name) {
  std::vector<std::map<std::string, std::string>> found;
  std::string closed = svg;  // the reader knows HTML, where every element has an end tag
  for (size_t at; (at = closed.find("/>")) != std::string::npos;) {
    const size_t begin = closed.rfind('<', at) + 1;
    closed.replace(at, 2, "></" + closed.substr(begin, closed.find_first_of(" >", begin) - begin) + ">");
  }
  for (const HtmlPiece& piece : read_html(closed)) {
    if (piece.name == name) found.push_back(piece.attributes);
  }
  return found;
}

TEST(Svg, BarsAreAsHighAsTheirValuesAndHollowOnesUnfilled) {
  const std::string svg = to_svg(figure({{"kind", "bars"},
                                         {"x", {{"label", "m"}, {"categories", {"8", "</svg> 256"}}}},
                                         {"y", {{"label", "%"}}},
                                         {"series",
                                          {{{"label", "a"}, {"hollow", false}, {"values", {10, nullptr}}},
                                           {{"label", "b"}, {"hollow", true}, {"values", {20, 40}}}}}}));
  std::vector<std::pair<double, std::string>> bars;
  for (const auto& rect : elements(svg, "rect")) {
    if (rect.contains("stroke") && rect.at("width") != "10")
      bars.emplace_back(std::stod(rect.at("height")), rect.at("fill"));
  }
  ASSERT_EQ(bars.size(), 3u) << "no bar where there is no value";
  EXPECT_NEAR(bars[1].first / bars[0].first, 2, 0.01);
  EXPECT_NEAR(bars[2].first / bars[0].first, 4, 0.01);
  EXPECT_NE(bars[0].second, "none");
  EXPECT_EQ(bars[1].second, "none");
  EXPECT_EQ(svg.find("</svg> 256"), std::string::npos);
  EXPECT_NE(svg.find("&lt;/svg&gt; 256"), std::string::npos);
  EXPECT_NE(svg.find("aria-label=\"a &quot;b&quot;\""), std::string::npos);
}

TEST(Svg, EightSeriesHaveEightColoursAndThePageHasTheSame) {
  json all = json::array();
  for (int i = 0; i < 8; ++i) all.push_back({{"label", fmt::format("s{}", i)}, {"hollow", false}, {"values", {1 + i}}});
  const std::string svg =
      to_svg(figure({{"kind", "bars"}, {"x", {{"categories", {"8"}}}}, {"y", {{"label", "%"}}}, {"series", all}}));
  std::vector<std::string> colours;
  for (const auto& rect : elements(svg, "rect")) {
    if (rect.contains("stroke") && rect.at("width") != "10") colours.push_back(rect.at("fill"));
  }
  ASSERT_EQ(colours.size(), 8u);
  EXPECT_EQ(std::set<std::string>(colours.begin(), colours.end()).size(), 8u);
  const std::string folder = std::string(QOQ_SOURCE_DIR) + "/autotune/report/";
  const std::string css = read_file(folder + "report.css"), script = read_file(folder + "figures.js");
  for (size_t i = 0; i < colours.size(); ++i)
    EXPECT_NE(css.find(fmt::format("--series-{}: {};", i, colours[i])), std::string::npos) << i;
  EXPECT_EQ(css.find("--series-8"), std::string::npos);
  EXPECT_NE(script.find("const colours = 8;"), std::string::npos);
}

TEST(Svg, PointsLinesAndQuietSeriesAreDrawnWhereTheyBelong) {
  const std::string svg = to_svg(
      figure({{"x", {{"label", "x"}, {"min", 1}, {"max", 100}}},
              {"y", {{"label", "y"}, {"scale", "linear"}, {"min", 0}, {"max", 10}}},
              {"lines", {{{"label", "roof"}, {"kind", "tensor"}, {"lesser", false}, {"points", {{1, 8}, {100, 8}}}}}},
              {"series",
               {{{"label", "loud"}, {"connected", true}, {"points", {{{"x", 10}, {"y", 5}}, {{"x", 0}, {"y", 5}}}}},
                {{"label", "quiet"},
                 {"connected", true},
                 {"quiet", true},
                 {"points", {{{"x", 1}, {"y", 1}}, {{"x", 9}, {"y", 2}}}}}}}}));
  // Left edge 76, right 938: 10 lies in the middle. Bottom 504, top 44: 5 lies in the middle.
  EXPECT_NE(svg.find("M502.0 274.0a5 5"), std::string::npos) << "a circle around (507, 274)\n" << svg;
  EXPECT_EQ(svg.find("quiet"), std::string::npos) << "in no legend";
  EXPECT_NE(svg.find(">loud</text>"), std::string::npos);
  EXPECT_NE(svg.find(">roof</text>"), std::string::npos);
  EXPECT_FALSE(elements(svg, "path").empty());
}

TEST(Svg, MarkdownRefersToItsPictures) {
  Document document{.title = "t", .subtitle = "s", .blocks = {}};
  document.add(Figure{.id = "gpu-1-plot", .title = "Title", .alt = "What [it] shows", .caption = "Cap", .plot = {}});
  EXPECT_NE(to_markdown(document).find("![What \\[it\\] shows](figures/gpu-1-plot.svg)"), std::string::npos);
}

}  // namespace
}  // namespace qoq::report
