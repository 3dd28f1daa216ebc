#pragma once
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/checkpoint/safetensors.h"
#include "kernels/qoq/linear.h"

namespace qoq {

/// How group metadata lies: QServe's two tensors, or ours of one 8-byte load a lane (kernels/qoq/layout.h). Weights lie
/// in QServe's order in both.
enum class PackedLayout { QServe, Fragment };

struct PackedFormat {
  std::string scheme = "w4a8-g128";  ///< "w4a8-g128", "w4a8-g64", "w4a8-g32" or "w4a8-channel"
  PackedLayout layout = PackedLayout::QServe;

  /// Weights a group: 128, 64 or 32; 0 for scales a channel. Throws Fault::Input for a scheme that is none of ours, and
  /// for the Fragment layout of another scheme than w4a8-g128.
  int group() const;
  bool operator==(const PackedFormat&) const = default;
};

/// As a file's metadata and command lines spell it: "qserve", "fragment".
std::string_view layout_name(PackedLayout layout);
/// Throws Fault::Input, naming the known ones.
PackedLayout parse_layout(std::string_view name);

/// A tensor stored as it is. The bytes are the caller's: row-major, little-endian, alive until the file is written, and
/// better not those of a mapped file, which are touched as memory here (MappedFile).
struct PlainTensor {
  DType dtype = DType::F16;
  std::vector<uint64_t> shape;
  std::span<const std::byte> bytes;
};

/// Files of this version are written; none of a later one is read.
inline constexpr int packed_version = 1;

/// Writes one piece of a quantised model as a safetensors file, whole or not at all (SafetensorsWriter). The linear
/// NAME of N outputs and K inputs becomes
///   NAME.qweight    U8 [N][K/2], QServe's packed codes
///   NAME.s1_scales  F16 [N]
///   a group scheme in QServe's layout   NAME.s2_scales, NAME.s2_zeros  I8 [K/group][N], in QServe's order
///   a group scheme in Fragment's        NAME.s2_metadata  U8 [K/128][2N]
///   w4a8-channel                        NAME.s1_szeros  F16 [N], fp16(z·s1), which tells z
/// and a plain tensor keeps its name. The metadata holds exactly: format ("qoqtune-packed"), version, producer, scheme,
/// group, layout, linears (JSON: name to [N, K]), notes (JSON: name to text) and digest, of the rest of the metadata
/// and every tensor's name, type, shape and bytes. The same arguments make the same file, byte for byte.
/// Throws Fault::Input for weights that are not of the scheme, leave its ranges or are no multiple of 32 by 32 (of a
/// group in K), and for a name that is taken; Fault::Work when the file cannot be written.
void write_packed(const std::filesystem::path& path, const PackedFormat& format,
                  const std::map<std::string, LinearWeights>& linears, const std::map<std::string, PlainTensor>& plain,
                  const std::map<std::string, std::string>& notes = {});

/// A file that write_packed made, mapped and checked.
class PackedFile {
 public:
  /// Throws Fault::Input, in one sentence with the file's name: no packed file, a later version, a scheme, layout or
  /// set of keys or tensors that is not known, shapes that disagree with each other, a digest that is not the
  /// content's.
  static PackedFile open(const std::filesystem::path& path);

  const std::string& file() const { return tensors_.file(); }
  const PackedFormat& format() const { return format_; }
  const std::map<std::string, std::string>& notes() const { return notes_; }
  /// Of the whole content, 32 hexadecimal digits: two files are the same exactly when it is.
  const std::string& digest() const { return digest_; }
  /// Sorted names.
  std::vector<std::string> linears() const;
  const std::vector<std::string>& plain() const { return plain_; }

  /// Unpacked, and checked: no weight of a group leaves int8, a group's scale is 1 to 16 and its zero point a whole
  /// number from 0 to 15, a row's scale positive and finite, a channel's s1_szeros fp16(z·s1). Throws Fault::Input.
  LinearWeights linear(std::string_view name) const;
  /// A plain tensor of F16, BF16 or F32, finite (kernels/checkpoint/floats.h).
  std::vector<float> floats(std::string_view name) const;
  /// As stored: "qkv.qweight", or a plain tensor's name. What kernels load is these bytes.
  const Tensor& tensor(std::string_view name) const { return tensors_.tensor(name); }

 private:
  struct Shape {
    int n = 0;
    int k = 0;
  };
  explicit PackedFile(Safetensors tensors);

  Safetensors tensors_;
  PackedFormat format_;
  std::string digest_;
  std::map<std::string, std::string> notes_;
  std::map<std::string, Shape, std::less<>> linears_;
  std::vector<std::string> plain_;
};

}  // namespace qoq
