#include "kernels/ceiling/ceiling_family.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "kernels/base/error.h"
#include "kernels/base/random.h"
#include "kernels/ceiling/args.cuh"

namespace qoq::ceiling {

namespace {

/// A parameter in an id: its first letter, x ("times") for trips, which would be a second t.
char letter(const Parameter& parameter) { return parameter.name == "trips" ? 'x' : parameter.name.front(); }

std::string entry_name(std::string id) {
  std::replace(id.begin(), id.end(), '.', '_');
  return "ceiling_" + id;
}

}  // namespace

Problem CeilingFamily::canonical(const Problem& problem) const {
  const auto known = fields();
  std::string names;
  for (const Field& field : known) names += (names.empty() ? "" : ", ") + field.name;
  for (const auto& [name, value] : problem.fields) {
    const auto named = [&name = name](const Field& field) { return field.name == name; };
    if (std::none_of(known.begin(), known.end(), named))
      bad_input("\"{}\": {} has no field \"{}\"; it has {}", problem.text(), this->name(), name,
                names.empty() ? "none" : names);
  }
  Problem whole{"ceiling", problem.scheme, {}};
  for (const Field& field : known) {
    const int64_t value = problem.size(field.name);
    if (value < field.least || value > field.most)
      bad_input("\"{}\": {}={} is out of range, {} to {}", problem.text(), field.name, value, field.least, field.most);
    whole.fields.emplace_back(field.name, std::to_string(value));
  }
  return whole;
}

std::string CeilingFamily::variant(const Point& point, const Problem& problem) const {
  std::string id = problem.scheme;
  for (const Parameter& parameter : parameters())
    id += fmt::format(".{}{}", letter(parameter), point.at(parameter.name));
  return id;
}

std::optional<std::pair<Point, Problem>> CeilingFamily::parse_variant(std::string_view id, const Problem& shape) const {
  std::vector<Point> points{{}};
  for (const Parameter& parameter : parameters()) {
    std::vector<Point> longer;
    for (const Point& point : points) {
      for (const int value : parameter.values) {
        longer.push_back(point);
        longer.back()[parameter.name] = value;
      }
    }
    points = std::move(longer);
  }
  for (const std::string& scheme : schemes()) {
    Problem problem = shape;
    problem.scheme = scheme;
    for (const Point& point : points) {
      if (variant(point, problem) == id) return std::pair{point, problem};
    }
  }
  return std::nullopt;
}

Source CeilingFamily::source(const Point& point, const Problem& problem) const {
  const std::string entry = entry_name(variant(point, problem));
  const Text kernel = text(point, problem);
  return {fmt::format("#include \"{1}\"\n"
                      "namespace {0}_kernel {{\nusing namespace qoq::ceiling;\n"
                      "#define QOQ_BODY(args) {2}(args)\n"
                      "QOQ_ENTRY({0}, QOQ_BODY, CeilingArgs, {3}, 1)\n#undef QOQ_BODY\n}}\n",
                      entry, kernel.header, kernel.call, point.at("threads")),
          {entry}};
}

Plan CeilingFamily::plan(const Point& point, const Problem& problem, const Device&) const {
  Launch launch;
  launch.entry = entry_name(variant(point, problem));
  launch.grid.x = static_cast<uint32_t>(ctas(point, problem));
  launch.block.x = static_cast<uint32_t>(point.at("threads"));
  launch.shared_bytes = static_cast<uint32_t>(shared_bytes(point, problem));
  return {{launch}, {}};
}

Arguments CeilingFamily::bind(const Point& point, const Problem& problem, const Device&,
                              const Addresses& addresses) const {
  CeilingArgs args{};
  find_address(addresses, "from", args.from);
  find_address(addresses, "to", args.to);
  args.count = count(point, problem);
  std::vector<std::byte> bytes(sizeof args);
  std::memcpy(bytes.data(), &args, sizeof args);
  return {bytes};
}

std::vector<uint32_t> random_words(size_t count, uint64_t seed) {
  Random random(seed);
  std::vector<uint32_t> words(count);
  for (size_t i = 0; i < count; i += 2) {
    const uint64_t two = random.next();
    words[i] = static_cast<uint32_t>(two);
    if (i + 1 < count) words[i + 1] = static_cast<uint32_t>(two >> 32);
  }
  return words;
}

std::vector<uint32_t> written_words(const std::vector<Buffer>& buffers) {
  std::vector<uint32_t> words;
  for (const Buffer& buffer : buffers) {
    if (buffer.role != Buffer::Role::Output) continue;
    words.resize(buffer.bytes.size() / 4);
    std::memcpy(words.data(), buffer.bytes.data(), words.size() * 4);
  }
  return words;
}

Buffer results(size_t words) {
  return {"to", Buffer::Role::Output, std::vector<std::byte>(4 * words, std::byte{0xcd})};
}

}  // namespace qoq::ceiling
