#include "kernels/checkpoint/safetensors_writer.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <nlohmann/json.hpp>
#include <utility>

#include "kernels/base/error.h"
#include "kernels/base/file.h"
#include "kernels/checkpoint/json_text.h"
#include "kernels/checkpoint/safetensors_header.h"

namespace qoq {

using nlohmann::json;

namespace {

std::string dump_header(const std::string& file, const json& header) {
  std::string text;
  try {
    text = header.dump();
  } catch (const json::type_error&) {
    bad_input("{}: a tensor's name or the metadata is no UTF-8", file);
  }
  text.resize((text.size() + 7) / 8 * 8, ' ');  // the data begins at a multiple of eight
  if (text.size() > longest_header_bytes) {
    bad_input("{}: the header would be {} bytes long, at most {} are allowed", file, text.size(), longest_header_bytes);
  }
  return text;
}

}  // namespace

SafetensorsWriter::SafetensorsWriter(const std::filesystem::path& path, const std::vector<TensorDeclaration>& tensors,
                                     const std::map<std::string, std::string>& metadata)
    : path_(path) {
  std::vector<TensorDeclaration> ordered = tensors;
  std::stable_sort(ordered.begin(), ordered.end(),
                   [](const auto& a, const auto& b) { return element_bytes(a.dtype) > element_bytes(b.dtype); });
  json header = json::object();
  if (!metadata.empty()) header["__metadata__"] = metadata;
  uint64_t end = 0;
  for (const TensorDeclaration& tensor : ordered) {
    const auto size = tensor_bytes(tensor.dtype, tensor.shape);
    Slot slot{end, size.value_or(0), 0};
    // Offsets of a file are signed: half of what 64 bits can count, less the header.
    if (!size || __builtin_add_overflow(end, *size, &end) || end > (uint64_t{1} << 62)) {
      bad_input("{}: tensor {}: its shape is too large", path.string(), in_quotes(tensor.name));
    }
    if (tensor.name == "__metadata__" || !slots_.emplace(tensor.name, slot).second) {
      bad_input("{}: tensor {}: the name is taken", path.string(), in_quotes(tensor.name));
    }
    header[tensor.name] = {
        {"dtype", dtype_name(tensor.dtype)}, {"shape", tensor.shape}, {"data_offsets", {slot.offset, end}}};
  }
  const std::string text = dump_header(path.string(), header);
  for (auto& [name, slot] : slots_) slot.offset += 8 + text.size();

  static std::atomic<unsigned> serial{0};
  temporary_ = path.string() + fmt::format(".tmp{}.{}", ::getpid(), serial++);
  file_ = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
  if (file_ < 0) fail("{}: cannot be written: {}", path_.string(), std::strerror(errno));
  std::array<std::byte, 8> length;
  for (size_t i = 0; i < 8; ++i) length[i] = static_cast<std::byte>(text.size() >> (8 * i));
  write_at(0, length);
  write_at(8, std::as_bytes(std::span(text)));
}

SafetensorsWriter::~SafetensorsWriter() { discard(); }

void SafetensorsWriter::write(std::string_view name, std::span<const std::byte> bytes) {
  if (file_ < 0) fail("{}: is finished or given up, no more data can be written", path_.string());
  const auto found = slots_.find(name);
  if (found == slots_.end()) give_up(fmt::format("tensor {} was not declared", in_quotes(name)));
  Slot& slot = found->second;
  if (bytes.size() > slot.bytes - slot.written) {
    give_up(fmt::format("tensor {}: more data than the {} bytes of its shape", in_quotes(name), slot.bytes));
  }
  write_at(slot.offset + slot.written, bytes);
  slot.written += bytes.size();
}

void SafetensorsWriter::write_at(uint64_t offset, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::pwrite(file_, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (written >= 0) {
      bytes = bytes.subspan(static_cast<size_t>(written));
      offset += static_cast<uint64_t>(written);
    } else if (errno != EINTR) {
      give_up(fmt::format("cannot be written: {}", std::strerror(errno)));
    }
  }
}

void SafetensorsWriter::finish() {
  if (file_ < 0) fail("{}: is finished or given up already", path_.string());
  for (const auto& [name, slot] : slots_) {
    if (slot.written != slot.bytes) {
      give_up(fmt::format("tensor {}: {} of its {} bytes were written", in_quotes(name), slot.written, slot.bytes));
    }
  }
  if (::fsync(file_) != 0) give_up(fmt::format("cannot be written: {}", std::strerror(errno)));
  if (::rename(temporary_.c_str(), path_.c_str()) != 0) {
    give_up(fmt::format("cannot be written: {}", std::strerror(errno)));
  }
  ::close(std::exchange(file_, -1));
  const int problem = sync_folder_of(path_);
  if (problem != 0) fail("{}: is written, but its folder cannot be synced: {}", path_.string(), std::strerror(problem));
}

void SafetensorsWriter::give_up(const std::string& why) {
  discard();
  fail("{}: {}", path_.string(), why);
}

void SafetensorsWriter::discard() {
  if (file_ < 0) return;
  ::close(std::exchange(file_, -1));
  ::unlink(temporary_.c_str());
}

}  // namespace qoq
