// cuBLASLt's products as baselines of our GEMMs.
#include <fmt/format.h>

#include <array>
#include <nlohmann/json.hpp>

#include "autotune/baselines/baseline.h"
#include "autotune/baselines/cublaslt.h"
#include "autotune/baselines/gemm_proof.h"
#include "autotune/measure/sample.h"
#include "kernels/gemm/problem.h"

namespace qoq::baselines {

namespace {

constexpr uint64_t operand_seed = 1;
constexpr int alignment = 16;        ///< of n and k: with it every operand's rows begin at 16 bytes
constexpr size_t call_launches = 2;  ///< an algorithm that splits k queues a reduction too
constexpr size_t workspace_limit = size_t{32} << 20;
constexpr size_t hopper_workspace_limit = size_t{64} << 20;

/// One way to run it: what its ids say after the arithmetic, and how far from exact it may be.
struct Way {
  std::string_view suffix;
  bool fast_accumulation;
  double tolerance;  ///< as GemmProof::check takes it
  int most;          ///< algorithms asked for
};

struct Arithmetic {
  std::string_view name;  ///< of the row: "cublaslt/bf16"
  std::string_view peak;  ///< tensor rate of the GPU's sheet
  int least_compute_capability;
  Format operands;
  int type, compute, scale;  ///< cuBLASLt's numbers
  std::vector<Way> ways;
};

/// bf16's peak is fp16's rate: tensor cores multiply both at the same pace. Tolerances of rounded outputs (2^-7) cover
/// their rounding to bf16, once for each of a few partial sums; fast fp8 sums keep some 14 bits at every step
/// (DeepSeek-V3 Technical Report, section 3.3.2: errors near 2 % at k=4096).
const std::array<Arithmetic, 3>& arithmetics() {
  static const std::array<Arithmetic, 3> all{{
      {"int8", "int8", 80, Format::Int8, lt::r_8i, lt::compute_32i, lt::r_32i, {{"", false, 0, 16}}},
      {"fp8",
       "fp8",
       89,
       Format::E4M3,
       lt::r_8f_e4m3,
       lt::compute_32f,
       lt::r_32f,
       {{".fast", true, 0x1p-4, 8}, {".full", false, 0x1p-7, 8}}},
      {"bf16", "fp16", 80, Format::BF16, lt::r_16bf, lt::compute_32f, lt::r_32f, {{"", false, 0x1p-7, 16}}},
  }};
  return all;
}

/// int8 gives its sums, bf16 itself, fp8 what our kernel of the problem gives.
Format output_of(const Arithmetic& arithmetic, const gemm::GemmProblem& problem) {
  if (arithmetic.operands == Format::Int8) return Format::Int32;
  return arithmetic.operands == Format::E4M3 && problem.output == gemm::Output::F16 ? Format::F16 : Format::BF16;
}
int type_of(Format output) {
  return output == Format::Int32 ? lt::r_32i : output == Format::F16 ? lt::r_16f : lt::r_16bf;
}
std::string_view name_of(Format output) {
  return output == Format::Int32 ? "i32" : output == Format::F16 ? "fp16" : "bf16";
}

/// Operands on the GPU, shared by all candidates of a problem.
struct Placed {
  GemmProof proof;
  runtime::DeviceMemory x, y, workspace;
  std::vector<runtime::DeviceMemory> w;  ///< by turn
};

runtime::DeviceMemory upload(const std::vector<std::byte>& bytes) {
  runtime::DeviceMemory memory(bytes.size());
  memory.upload(0, bytes);
  return memory;
}

std::shared_ptr<Placed> place(GemmProof proof, const Device& device, measure::Cache cache, size_t workspace_bytes) {
  const size_t turns = cache == measure::Cache::WeightsCold
                           ? measure::rotation_copies(proof.w().size(), static_cast<size_t>(device.l2_bytes))
                           : 1;
  auto placed = std::make_shared<Placed>(Placed{std::move(proof), {}, {}, {}, {}});
  placed->x = upload(placed->proof.x());
  for (size_t i = 0; i < turns; ++i) placed->w.push_back(upload(placed->proof.w()));
  placed->y = runtime::DeviceMemory(placed->proof.output_bytes());
  placed->workspace = runtime::DeviceMemory(workspace_bytes);
  placed->proof.drop_operands();
  return placed;
}

class CublasLtGemm final : public Baseline {
 public:
  CublasLtGemm(std::shared_ptr<const CublasLt> library, const Arithmetic& arithmetic)
      : library_(std::move(library)), arithmetic_(arithmetic), name_(fmt::format("cublaslt/{}", arithmetic.name)) {}

  std::string_view name() const override { return name_; }
  std::string_view op() const override { return "gemm"; }
  std::string_view arithmetic() const override { return arithmetic_.peak; }
  std::string missing() const override { return library_->reason(); }

  std::optional<std::string> unsupported(const Problem& problem, const Device& device) const override {
    const gemm::GemmProblem p = gemm::GemmProblem::parse(problem);
    if (device.compute_capability < arithmetic_.least_compute_capability) {
      return fmt::format("{} needs compute capability {:.1f}, {} has {:.1f}", name_,
                         arithmetic_.least_compute_capability / 10.0, device.name, device.compute_capability / 10.0);
    }
    for (const auto& [field, size] : {std::pair{"n", p.n}, std::pair{"k", p.k}}) {
      if (size % alignment != 0)
        return fmt::format("{} needs {} in multiples of {}, not {}", name_, field, alignment, size);
    }
    return {};
  }

  std::vector<Offer> candidates(const Problem& problem, const Device& device, measure::Cache cache) const override {
    const gemm::GemmProblem p = gemm::GemmProblem::parse(problem);
    const Format output = output_of(arithmetic_, p);
    const size_t limit = device.compute_capability == 90 ? hopper_workspace_limit : workspace_limit;
    std::vector<Offer> offers;
    std::shared_ptr<Placed> placed;  // once there is something to run
    for (const Way& way : arithmetic_.ways) {
      const ProductTypes types{arithmetic_.compute, arithmetic_.scale, arithmetic_.type, type_of(output),
                               way.fast_accumulation};
      const auto product = std::make_shared<CublasLtProduct>(library_, types, p.m, p.n, p.k);
      const std::vector<lt::HeuristicResult> found = product->algorithms(limit, way.most);
      if (!found.empty() && !placed)
        placed = place(GemmProof(arithmetic_.operands, output, p.m, p.n, p.k, operand_seed), device, cache, limit);
      for (size_t i = 0; i < found.size(); ++i) {
        Offer offer = make_offer(product, found[i].algorithm, placed, way.tolerance);
        offer.id = fmt::format("cublaslt.{}{}.c{:02}", arithmetic_.name, way.suffix, i);
        offer.seed = operand_seed;
        offer.workspace_bytes = found[i].workspace_bytes;
        offer.details = details(way, output, found[i]);
        offers.push_back(std::move(offer));
      }
    }
    return offers;
  }

 private:
  static Offer make_offer(const std::shared_ptr<CublasLtProduct>& product, const lt::Algorithm& algorithm,
                          const std::shared_ptr<Placed>& placed, double tolerance) {
    Offer offer;
    offer.runnable.queue = [product, algorithm, placed](size_t turn, const runtime::Stream& stream) {
      const Placed& on = *placed;
      product->queue(algorithm, {on.x.data(), on.w[turn].data(), on.y.data(), on.workspace.data(), on.workspace.size()},
                     stream.get());
    };
    offer.runnable.turns = placed->w.size();
    offer.runnable.launches = call_launches;
    offer.runnable.keeps = placed;
    offer.queue_poison = [placed](const runtime::Stream& stream) {
      placed->y.fill(0, placed->y.size(), placed->proof.poison(), stream);
    };
    offer.check = [placed, tolerance] {
      std::vector<std::byte> y(placed->y.size());
      placed->y.download(0, y);
      return placed->proof.check(y, tolerance);
    };
    return offer;
  }

  std::string details(const Way& way, Format output, const lt::HeuristicResult& result) const {
    nlohmann::json json = {{"arithmetic", arithmetic_.peak},
                           {"library", "cuBLASLt " + library_->version()},
                           {"algorithm", describe(*library_, result.algorithm)},
                           {"output", name_of(output)},
                           {"waves", result.waves},
                           {"workspace_bytes", result.workspace_bytes}};
    if (arithmetic_.operands == Format::E4M3) json["fast_accumulation"] = way.fast_accumulation;
    return json.dump();
  }

  std::shared_ptr<const CublasLt> library_;
  const Arithmetic& arithmetic_;
  std::string name_;
};

}  // namespace

std::vector<std::unique_ptr<Baseline>> cublaslt_baselines() {
  const std::shared_ptr<const CublasLt> library = CublasLt::open(runtime::cuda_library_folders());
  std::vector<std::unique_ptr<Baseline>> made;
  for (const Arithmetic& arithmetic : arithmetics())
    made.push_back(std::make_unique<CublasLtGemm>(library, arithmetic));
  return made;
}

}  // namespace qoq::baselines
