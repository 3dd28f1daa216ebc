#pragma once
#include <span>

#include "kernels/attention/case.h"

namespace qoq::attention {

/// The plain definition in fp64, on the dequantised cache ((code − z)·s, exact; the cache's own error is none of the
/// kernel's). For query row (token i of q_len, head h) of a sequence of length n, with last = n − q_len + i and KV head
/// h / group:
///   logit[j] = scale · Σ_d q[d]·k[j][d], scale = Dh^-½ unless the problem says otherwise   ( cap · tanh(logit / cap)
///   where there is a cap ),  j in (last − window, last] out = Σ_j softmax(logit)[j] · v[j],   lse = ln Σ_j e^logit[j]
/// Parallel over sequences and heads on `threads` threads (0: one a core); the result does not depend on it.
///
/// Ablated (kv4 and kv8, Fragment layout only): each 16-bit half of a packed word is taken as an fp16 as it lies,
/// because nothing is unpacked. ablate_codes() has first cleared what would not be a small number: a half keeps its low
/// 5 bits (kv4) or 8 bits (kv8), so it is an fp16 subnormal, value · 2^-24. With w[0], w[1] = those values of a word's
/// low and high half, slots that hold no token counting as 0xff bytes:
///   kv4 keys    word j: tokens g and g+8 alike: channels 16j+4t+{0,1} and +{2,3} are both (w[0], w[1]);
///               token g+8's are divided by 16
///   kv8 keys    the same with word 2j for token g, word 2j+1 for token g+8, undivided
///   kv4 values  word j: channels d and d+1 alike: tokens 2t+{0,1} and 2t+{8,9} are both (w[0], w[1]);
///               channel d+1's are divided by 16
///   kv8 values  the same with word 2j for channel d, word 2j+1 for channel d+1, undivided
/// Scales and zeros are applied as ever.
void compute_reference(const AttentionCase& c, bool ablated, std::vector<double>& output, std::vector<double>& log_sum,
                       int threads = 0);

/// Clears the bits named above in one side of one page (its codes, not its scales and zeros).
void ablate_codes(std::span<std::byte> page, const KvShape& shape);

/// Compares outputs in the problem's element (and fp32 log-sums, if any) with the reference. Passes when for every
/// sequence and head max|error| ≤ tolerance · max|reference| (fp16: 1e-3, bf16: 8e-3; a log-sum: absolute 1e-3 · max(1,
/// |lse|)).
Check compare(const AttentionCase& c, bool ablated, std::span<const std::byte> out, std::span<const std::byte> lse);

}  // namespace qoq::attention
