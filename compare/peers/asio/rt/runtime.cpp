// SPDX-License-Identifier: MIT
// These coroutines are not inline, because with link-time optimization GCC 12 treats the frames of an inline coroutine
// in several files as different types.
#include "runtime.hpp"

namespace bench::peer {

task<double> ns_per_operation(std::uint64_t operations, task<void> work) {
    const auto start = clock::now();
    co_await std::move(work);
    co_return per_operation(clock::now() - start, operations);
}

task<double> warm_up_and_measure(task<void> (*body)(std::uint64_t), std::uint64_t times, std::uint64_t operations) {
    co_await body(times / 10);
    co_return co_await ns_per_operation(operations, body(times));
}

}  // namespace bench::peer
