// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <optional>
#include <source_location>
#include <string>

#include <eddy/detail/export.hpp>
#include <eddy/detail/ref_count.hpp>

namespace eddy::detail {

/// The sleep of a thread that only another thread can end: without a deadline, and without a timer or descriptor of its
/// own. When all threads of the process sleep so, none of them wakes up any more, and this is printed once, with all
/// tasks.
///
/// The proof. A thread that has slept for 1 s enters the list of such threads, and it leaves the list before it runs
/// anything else. Both are done under a lock. A thread that holds the lock concludes from these facts that the program
/// waits for ever:
///
///     1. As many threads exist as are in the list. So no other thread runs, and facts 2 and 3 stay true.
///     2. No signal runs a handler of the program.
///     3. No thread in the list was woken: `state` of each sleeper is what it was when it entered the list.
///
/// A thread may have woken another one before it entered the list, or before it ended. Then the other one is still in
/// the list, and fact 3 is false: the lock, or the end of the thread, makes the wake-up visible.
///
/// Thread safety: begin() and end() on the thread that sleeps, static functions on any thread.
class EDDY_API endless_wait : immovable {  // exported for the other libraries of eddy
public:
    using limit = std::optional<std::chrono::nanoseconds>;
    /// Empty if the sleep may end without another thread, or if another thread has ended it. Otherwise a number that
    /// changes if something was added, and removed again, that might have ended the sleep.
    using state = std::optional<std::uint64_t>;

    /// `sleeper.sleep_state()` returns the state. It is called on any thread, takes no lock that a sleeping thread
    /// holds, and must be exact while the sleeper is in the list. `sleeper.sleep_text()`, if it exists, returns lines
    /// for the report.
    template <class Sleeper>
    explicit endless_wait(Sleeper& sleeper, std::source_location where = {}) noexcept
        : sleeper_(&sleeper),
          // SAFETY: `sleeper_` is the object that the constructor got.
          state_of_([](void* of) noexcept { return static_cast<Sleeper*>(of)->sleep_state(); }),
          text_of_([]([[maybe_unused]] void* of) -> std::string {
              if constexpr (requires(Sleeper& one) { one.sleep_text(); })
                  return static_cast<Sleeper*>(of)->sleep_text();
              return {};
          }),
          where_(where) {}

    /// While one of these objects exists, such waits of the whole process are printed.
    class reports : immovable {
    public:
        reports() noexcept { count_.fetch_add(1, std::memory_order_relaxed); }  // relaxed: see is_reported()
        ~reports() { count_.fetch_sub(1, std::memory_order_relaxed); }
    };
    [[nodiscard]] static bool is_reported() noexcept {
        return count_.load(std::memory_order_relaxed) != 0;  // relaxed: nothing else depends on it
    }

    /// Called before a sleep without a limit. Returns for how long the thread may sleep. `progress` differs from the
    /// previous call's if the thread has run something in between.
    [[nodiscard]] limit begin(std::uint64_t progress) noexcept;
    /// Called after the sleep, before the thread does anything else.
    void end() noexcept {
        if (is_listed_) leave();
    }

    /// Marks the present thread as one that never wakes another one: it only prints, for example.
    class observer_thread : immovable {
    public:
        observer_thread() noexcept;
        ~observer_thread();
    };

private:
    [[nodiscard]] bool enter(std::uint64_t now) noexcept;
    void leave() noexcept;
    [[nodiscard]] static bool all_sleep() noexcept;
    [[nodiscard]] static std::string places_of_all() noexcept;

    static inline constinit std::atomic<unsigned> count_{0};  // of `reports`

    void* const sleeper_;
    state (*const state_of_)(void*) noexcept;
    std::string (*const text_of_)(void*);
    const std::source_location where_;
    // Of the sleeps since the thread has run something.
    std::uint64_t progress_ = 0;
    std::chrono::steady_clock::time_point next_look_{};
    std::chrono::nanoseconds wait_{0};  // until the look after the next one
    // In the list:
    bool is_listed_ = false;
    std::uint64_t entered_with_ = 0;
    endless_wait* next_ = nullptr;
    endless_wait** link_ = nullptr;
};

/// Waits for a condition that only other threads make true. `is_over` is called with the lock, and, without it, by a
/// thread that looks whether all threads sleep.
template <class Condition, class Guard, class Pred>
void wait_or_report(Condition& changed, Guard& guard, const Pred& is_over, std::source_location where = {}) {
    if constexpr (requires { changed.wait_for(guard, std::chrono::nanoseconds(), is_over); }) {
        if (endless_wait::is_reported()) {
            struct {
                const Pred& is_over;
                [[nodiscard]] endless_wait::state sleep_state() const noexcept {
                    return is_over() ? endless_wait::state() : 0;
                }
            } sleeper{is_over};
            endless_wait here(sleeper, where);
            for (bool has_ended = false; !has_ended; here.end()) {
                const auto limit = here.begin(0);
                has_ended = !limit || changed.wait_for(guard, *limit, is_over);
                if (!limit) changed.wait(guard, is_over);
            }
            return;
        }
    }
    changed.wait(guard, is_over);
}

}  // namespace eddy::detail
