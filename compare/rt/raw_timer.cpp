// SPDX-License-Identifier: MIT
#include <array>
#include <atomic>
#include <bit>
#include <memory>

#include "measure.hpp"
#include "raw_cases.hpp"

namespace bench::raw {

namespace {

constexpr std::uint64_t many = 100'000;

struct timer {
    timer* previous = this;
    timer* next = this;
    std::uint64_t deadline = 0;  // in ticks
};

/// The synchronization that the wheel of a pool needs: a lock, because tasks migrate and timers do not, and a reference
/// count of the task's waker. Neither is contended here.
class sharing {
public:
    // relaxed: the caller already has a reference, and the count publishes no other data.
    void retain() noexcept { references_.fetch_add(1, std::memory_order_relaxed); }
    // acq_rel: as in a real count, whose last owner must see the writes of the others.
    void release() noexcept { references_.fetch_sub(1, std::memory_order_acq_rel); }
    void lock() noexcept {
        // acquire: pairs with the release in unlock().
        while (is_locked_.exchange(true, std::memory_order_acquire)) {
        }
    }
    void unlock() noexcept { is_locked_.store(false, std::memory_order_release); }

private:
    alignas(64) std::atomic<std::uint64_t> references_{1};
    alignas(64) std::atomic<bool> is_locked_{false};
};

/// A hierarchical timing wheel in which no timer fires: 7 levels of 64 slots, one tick per millisecond.
class wheel {
public:
    explicit wheel(flavour where) : is_shared_(where != flavour::ct) {}

    /// Reads the clock, and inserts `armed` so that it would fire after `milliseconds`.
    void arm(timer& armed, std::uint64_t milliseconds) noexcept {
        using std::chrono::duration_cast;
        const auto since_start = duration_cast<std::chrono::milliseconds>(clock::now() - start_).count();
        armed.deadline = static_cast<std::uint64_t>(since_start) + milliseconds;
        if (is_shared_) {
            sharing_.retain();
            sharing_.lock();
        }
        timer& slot = slot_of(armed.deadline);
        armed.previous = slot.previous;
        armed.next = &slot;
        armed.previous->next = &armed;
        slot.previous = &armed;
        if (is_shared_) sharing_.unlock();
    }

    void cancel(timer& armed) noexcept {
        if (is_shared_) sharing_.lock();
        armed.previous->next = armed.next;
        armed.next->previous = armed.previous;
        if (is_shared_) {
            sharing_.unlock();
            sharing_.release();
        }
    }

private:
    static constexpr int bits_per_level = 6;

    timer& slot_of(std::uint64_t deadline) noexcept {
        // The level is the highest base-64 digit in which the deadline differs from the current time.
        const auto level = static_cast<unsigned>(std::bit_width(deadline ^ now_) - 1) / bits_per_level;
        return levels_[level][deadline >> level * bits_per_level & 63];
    }

    const bool is_shared_;
    sharing sharing_;
    clock::time_point start_ = clock::now();
    std::uint64_t now_ = 0;  // constant, because no driver tick advances it
    std::array<std::array<timer, 64>, 7> levels_;
};

void arm_and_cancel(wheel& timers, std::uint64_t count) {
    for (std::uint64_t i = 0; i < count; ++i) {
        timer one;
        timers.arm(one, 30'000 + i % 1000);
        opaque(&one)->deadline = 0;
        timers.cancel(one);
    }
}

void arm_many(wheel& timers, timer* all) {
    for (std::uint64_t i = 0; i < many; ++i) timers.arm(all[i], 30'000 + i % 1000);
}

void arm_many_and_cancel(wheel& timers, std::uint64_t times) {
    for (std::uint64_t round = 0; round < times; ++round) {
        const auto all = std::make_unique<timer[]>(many);
        arm_many(timers, all.get());
        for (std::uint64_t i = 0; i < many; ++i) timers.cancel(all[i]);
    }
}

double measure(wheel& timers) {
    constexpr std::uint64_t operations = 1'000'000;
    arm_and_cancel(timers, operations / 10);
    const auto start = clock::now();
    arm_and_cancel(timers, operations);
    return per_operation(clock::now() - start, operations);
}

}  // namespace

void timer_arm_cancel(flavour where) {
    const auto timers = std::make_unique<wheel>(where);
    report("timer_arm_cancel", where, "ns", measure(*timers));
}

void timer_arm_cancel_live(flavour where) {
    const auto timers = std::make_unique<wheel>(where);
    const auto others = std::make_unique<timer[]>(many);
    arm_many(*timers, others.get());
    report("timer_arm_cancel_live", where, "ns", measure(*timers));
}

void timer_arm_cancel_100k(flavour where) {
    const auto timers = std::make_unique<wheel>(where);
    arm_many_and_cancel(*timers, 1);
    const auto start = clock::now();
    arm_many_and_cancel(*timers, 10);
    report("timer_arm_cancel_100k", where, "ns", per_operation(clock::now() - start, 10 * many));
}

}  // namespace bench::raw
