#include "kernels/base/digest.h"

#include <fmt/format.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace qoq {

namespace {

std::string in_hexadecimal(XXH128_hash_t hash) { return fmt::format("{:016x}{:016x}", hash.high64, hash.low64); }

}  // namespace

std::string digest(std::string_view bytes) { return in_hexadecimal(XXH3_128bits(bytes.data(), bytes.size())); }

struct RunningDigest::State {
  XXH3_state_t hash;
};

RunningDigest::RunningDigest() : state_(std::make_unique<State>()) { XXH3_128bits_reset(&state_->hash); }

RunningDigest::~RunningDigest() = default;

void RunningDigest::add(std::span<const std::byte> bytes) {
  XXH3_128bits_update(&state_->hash, bytes.data(), bytes.size());
}

std::string RunningDigest::text() const { return in_hexadecimal(XXH3_128bits_digest(&state_->hash)); }

}  // namespace qoq
