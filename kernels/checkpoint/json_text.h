#pragma once
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace qoq {

/// Parses one JSON text. `what` opens every message ("model.safetensors: the header"). Stricter than JSON: a key may
/// stand once in its object, and objects and arrays nest at most four deep (the files of this room need three).
/// Throws Fault::Input.
nlohmann::json parse_json(const std::string& what, std::string_view text);

/// A string of a file, fit to stand in a message: quoted, escaped, cut after 120 bytes.
std::string in_quotes(std::string_view text);

}  // namespace qoq
