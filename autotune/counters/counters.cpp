#include "autotune/counters/counters.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "kernels/base/error.h"

namespace qoq::counters {

namespace {

constexpr std::array<std::string_view, 3> rung_texts = {"counters", "activity", "prediction"};

}  // namespace

std::string_view to_text(Rung rung) { return rung_texts[static_cast<size_t>(rung)]; }

nlohmann::json to_json(const CounterReading& reading) {
  return {
      {"rung", to_text(reading.rung)},
      {"passes", reading.passes},
      {"reason", reading.reason},
      {"values", nlohmann::json(reading.values)},
  };
}

CounterReading counter_reading_from_json(const nlohmann::json& json) {
  CounterReading reading;
  std::string rung;
  try {
    rung = json.at("rung").get<std::string>();
    reading.passes = json.at("passes").get<int>();
    reading.reason = json.at("reason").get<std::string>();
    reading.values = json.at("values").get<Values>();
  } catch (const nlohmann::json::exception& error) {
    bad_input("not a counter reading: {}", error.what());
  }
  const auto found = std::ranges::find(rung_texts, rung);
  if (found == rung_texts.end()) bad_input("not a counter reading: unknown rung \"{}\"", rung);
  reading.rung = static_cast<Rung>(found - rung_texts.begin());
  return reading;
}

}  // namespace qoq::counters
