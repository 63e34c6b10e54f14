// SPDX-License-Identifier: MIT
// The ring of the flight recorder: a reader gets whole events, in their order, while the writer overwrites them.
#include "trace/event_ring.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include <eddy/detail/atomic.hpp>

#include "explore/explore.hpp"

namespace {

using eddy::trace::event;
using eddy::trace::event_ring;
using explore::check;
using explore::fails;
using explore::holds;

constexpr std::size_t capacity = 2;

/// One thread records events whose two words are equal. Another one reads them.
template <class Ring>
void read_while_written(std::uint64_t before) {
    const auto ring = std::make_unique<Ring>(capacity);
    std::uint64_t last = 0;
    const auto record = [&] {
        ++last;
        ring->record({last, last});
    };
    for (std::uint64_t i = 0; i < before; ++i) record();
    explore::thread reader([&ring] {
        const std::uint64_t end = ring->recorded();
        std::array<event, capacity> into;
        std::uint64_t seen = 0;
        for (std::uint64_t next = end < capacity ? 0 : end - capacity; next < end;) {
            const std::uint64_t first = next;
            const std::span<const event> found = ring->copy(next, end, into);
            check(next > first && found.size() <= next - first, "the reader makes progress");
            for (const event& one : found) {
                check(one.subject == one.word, "events are whole, and in their order");
                check(one.subject > seen && one.subject <= end, "events are whole, and in their order");
                seen = one.subject;
            }
        }
    });
    record();
    record();
    record();
}

template <class Ring>
void read_new_ring() {
    read_while_written<Ring>(0);
}
template <class Ring>
void read_full_ring() {
    read_while_written<Ring>(2);
}

TEST(ExploreEventRing, ReaderGetsWholeEvents) {
    EXPECT_TRUE(holds({.preemptions = 3}, read_new_ring<event_ring>));
    EXPECT_TRUE(holds({.preemptions = 3}, read_full_ring<event_ring>));
}

// ---- Copies with one mistake each fail ----

enum class mistake : std::uint8_t { none, relaxed_slots, relaxed_head, relaxed_copy, keeps_begun };

template <mistake Made>
class changed_ring {
public:
    explicit changed_ring(std::size_t) {}

    void record(const event& one) noexcept {
        constexpr auto slots = Made == mistake::relaxed_slots ? std::memory_order_relaxed : std::memory_order_release;
        constexpr auto head = Made == mistake::relaxed_head ? std::memory_order_relaxed : std::memory_order_release;
        const std::uint64_t number = head_.load(std::memory_order_relaxed);
        slot& into = slots_[number % capacity];
        into.subject.store(one.subject, slots);
        into.word.store(one.word, slots);
        head_.store(number + 1, head);
    }
    [[nodiscard]] std::uint64_t recorded() const noexcept { return head_.load(std::memory_order_acquire); }
    [[nodiscard]] std::span<const event> copy(std::uint64_t& next, std::uint64_t end, std::span<event> into) const {
        constexpr auto slots = Made == mistake::relaxed_copy ? std::memory_order_relaxed : std::memory_order_acquire;
        const std::size_t count = std::min<std::uint64_t>(into.size(), end - next);
        for (std::size_t i = 0; i < count; ++i) {
            const slot& from = slots_[(next + i) % capacity];
            into[i] = {from.subject.load(slots), from.word.load(slots)};
        }
        const std::uint64_t begun = head_.load(std::memory_order_relaxed);
        const std::uint64_t spared = Made == mistake::keeps_begun ? 0 : 1;
        const std::uint64_t oldest = begun < capacity ? 0 : begun - capacity + spared;
        const std::size_t overwritten = oldest <= next ? 0 : std::min<std::uint64_t>(count, oldest - next);
        next += count;
        return into.first(count).subspan(overwritten);
    }

private:
    struct slot {
        eddy::detail::atomic<std::uint64_t> subject{0};
        eddy::detail::atomic<std::uint64_t> word{0};
    };

    std::array<slot, capacity> slots_;
    eddy::detail::atomic<std::uint64_t> head_{0};
};

TEST(ExploreEventRing, CopyWithoutMistakePasses) {
    EXPECT_TRUE(holds({.preemptions = 3}, read_full_ring<changed_ring<mistake::none>>));
}

TEST(ExploreEventRing, CopiesWithMistakesFail) {
    EXPECT_TRUE(fails(read_full_ring<changed_ring<mistake::relaxed_slots>>, "events are whole"));
    EXPECT_TRUE(fails(read_new_ring<changed_ring<mistake::relaxed_head>>, "events are whole"));
    EXPECT_TRUE(fails(read_full_ring<changed_ring<mistake::relaxed_copy>>, "events are whole"));
    EXPECT_TRUE(fails(read_full_ring<changed_ring<mistake::keeps_begun>>, "events are whole"));
}

}  // namespace
