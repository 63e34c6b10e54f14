// SPDX-License-Identifier: MIT
// The functions that read a histogram. They are not in the header, because <cmath> and <numeric> would add 4 % to the
// compile time of an echo server.
#include <eddy/runtime/duration_histogram.hpp>

#include <algorithm>
#include <cmath>
#include <numeric>

namespace eddy {

std::uint64_t duration_histogram::total() const noexcept {
    return std::accumulate(counts_.begin(), counts_.end(), std::uint64_t{0});
}

std::chrono::nanoseconds duration_histogram::quantile(double share) const noexcept {
    const std::uint64_t all = total();
    if (all == 0) return std::chrono::nanoseconds::zero();
    const auto wanted = static_cast<std::uint64_t>(std::ceil(std::clamp(share, 0.0, 1.0) * static_cast<double>(all)));
    std::uint64_t seen = 0;
    std::size_t bucket = 0;
    for (; bucket < buckets - 1; ++bucket) {
        seen += counts_[bucket];
        if (seen != 0 && seen >= wanted) break;
    }
    return begin_of(std::min(bucket + 1, buckets - 1));
}

}  // namespace eddy
