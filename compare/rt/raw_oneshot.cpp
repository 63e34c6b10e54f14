// SPDX-License-Identifier: MIT
#include <atomic>
#include <cstdlib>
#include <new>

#include "measure.hpp"
#include "raw_cases.hpp"
#include "raw_job.hpp"

namespace bench::raw {

namespace {

/// The shared state of two ends. Either end may be released last, on any thread: one atomic word says that the value is
/// set, and each end that is released changes it once.
struct channel {
    std::atomic<std::uint64_t> state = 0;
    std::uint64_t value = 0;
};
static_assert(sizeof(channel) <= block_size);

constexpr std::uint64_t is_sent = 1;
constexpr std::uint64_t one_end_gone = 2;

[[nodiscard]] channel& make_channel() {
    void* const block = std::malloc(block_size);
    if (block == nullptr) throw std::bad_alloc();
    return *opaque(::new (block) channel);
}

void leave(channel& shared) noexcept {
    // acq_rel: release publishes this end's writes, acquire makes them visible to the last end, which frees the block.
    if (shared.state.fetch_add(one_end_gone, std::memory_order_acq_rel) >= one_end_gone) std::free(&shared);
}

void send_to_self(std::uint64_t count) {
    std::uint64_t sum = 0;
    for (std::uint64_t i = 0; i < count; ++i) {
        channel& shared = make_channel();
        shared.value = opaque(i);
        shared.state.fetch_or(is_sent, std::memory_order_release);  // pairs with the acquire below
        leave(shared);
        check((shared.state.load(std::memory_order_acquire) & is_sent) != 0, "the value is there");
        sum += shared.value;
        leave(shared);
    }
    check(sum == count * (count - 1) / 2, "each value arrives");
}

}  // namespace

void oneshot(flavour where) {
    constexpr std::uint64_t operations = 5'000'000;
    send_to_self(operations / 10);
    const auto start = clock::now();
    send_to_self(operations);
    report("oneshot", where, "ns", per_operation(clock::now() - start, operations));
}

}  // namespace bench::raw
