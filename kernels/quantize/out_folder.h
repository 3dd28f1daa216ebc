#pragma once
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace qoq::quantize {

/// A folder that one run of the quantizer writes and no other may meanwhile: it holds a lock (flock(2)) on a file of
/// its own there, which goes with it.
class OutFolder {
 public:
  /// Makes the folder where there is none; removes temporary files that a killed run left. Throws Fault::Input when it
  /// is the model's own folder or lies on its way, holds files that a quantizer did not write, or another run holds it;
  /// Fault::Work when it cannot be made.
  OutFolder(const std::filesystem::path& folder, const std::filesystem::path& model);
  OutFolder(const OutFolder&) = delete;
  OutFolder& operator=(const OutFolder&) = delete;
  ~OutFolder();

  const std::filesystem::path& path() const { return folder_; }
  std::filesystem::path operator/(const std::string& name) const { return folder_ / name; }
  /// Throws Fault::Work when the file is there and cannot be removed.
  void remove(const std::string& name) const;
  /// Throws Fault::Work when less than `bytes` are free for this user.
  void need(uint64_t bytes) const;

 private:
  void refuse_foreign_files() const;
  void remove_temporaries() const;

  std::filesystem::path folder_;
  std::filesystem::path lock_path_;
  int lock_ = -1;
};

/// "layer-00017.safetensors".
std::string layer_file_name(int layer);
/// Files of layers that a model of so many has not: another model's.
std::vector<std::string> layer_files_beyond(const std::filesystem::path& folder, int layers);
inline constexpr const char* embedding_file_name = "embedding.safetensors";
inline constexpr const char* head_file_name = "head.safetensors";  ///< and the final norm
inline constexpr const char* manifest_file_name = "quantization.json";

/// Small files of a model's folder that go along as they are: config.json, the tokenizer's. Those that are there.
std::vector<std::string> companions_in(const std::filesystem::path& model);

}  // namespace qoq::quantize
