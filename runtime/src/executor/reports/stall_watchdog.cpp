// SPDX-License-Identifier: MIT
#include "executor/reports/stall_watch.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string_view>
#include <thread>

#include <eddy/signal/detail/blocked_signals.hpp>

#include "executor/reports/endless_wait.hpp"
#include "executor/reports/poll_reader.hpp"
#include "executor/reports/stall_reporter.hpp"
#include "sys/fork.hpp"
#include "sys/static_mutex.hpp"
#include "sys/this_process.hpp"
#include "sys/thread.hpp"
#include "sys/thread_probe.hpp"
#include "sys/word_wait.hpp"

// The thread that looks for stalls. It looks several times in each limit. A poll that it sees twice is measured from
// then on, by two clocks:
//
//     computing   the processor time that the thread has used
//     blocked     the time between two looks that both find the thread blocked in the kernel
//
// Anything else does not count: a thread that waits for a processor on a busy machine, or that a signal or a debugger
// has stopped, uses no time and is not blocked. If the watchdog itself runs late, for example after SIGCONT, only the
// processor time counts. A blocked thread may wait for another one that waits for a processor or was stopped, for
// example for the holder of a mutex: time during which a thread of the process was ready and did not run is not blocked
// either. A poll is a stall when both times together reach the limit.
//
//     state                           next
//     not started, or asleep          begin_run() of any thread wakes or starts it
//     looks                           asleep, after two looks that found no thread that runs
//     reports, without the lock       looks. The watched thread of the report is not freed meanwhile
//
// There is no watchdog in a forked child: a program of several threads should not start more there.

namespace eddy::detail {
namespace {

using std::chrono::nanoseconds;
using std::chrono::steady_clock;

constexpr int looks_per_limit = 8;
constexpr nanoseconds least_interval = std::chrono::milliseconds(1);
constexpr nanoseconds most_interval = std::chrono::milliseconds(50);
// The watchdog is late if it looks twice as late as it should, and by more than this.
constexpr nanoseconds usual_delay = std::chrono::milliseconds(10);
constexpr int quiet_looks_before_sleep = 2;
constexpr std::size_t most_ready = 64;  // threads that are compared with the last look

/// Parses a duration such as "0", "250ms", "2s" or "500us".
std::optional<nanoseconds> duration_of(std::string_view text) noexcept {
    std::uint32_t count = 0;
    const auto parsed = std::from_chars(std::to_address(text.begin()), std::to_address(text.end()), count);
    if (parsed.ec != std::errc()) return std::nullopt;
    const std::string_view unit(parsed.ptr, static_cast<std::size_t>(std::to_address(text.end()) - parsed.ptr));
    if (unit == "us") return std::chrono::microseconds(count);
    if (unit == "ms") return std::chrono::milliseconds(count);
    if (unit == "s") return std::chrono::seconds(count);
    return unit.empty() && count == 0 ? std::optional(nanoseconds(0)) : std::nullopt;
}

/// Returns the limit of EDDY_STALL, or else the builder's.
nanoseconds limit_of(nanoseconds chosen) noexcept {
    const char* const text = sys::environment("EDDY_STALL");
    if (*text == '\0') return chosen;
    if (const auto limit = duration_of(text)) return *limit;
    static constinit std::atomic<bool> is_reported{false};
    if (!is_reported.exchange(true, std::memory_order_relaxed))  // relaxed: nothing else depends on it
        std::fprintf(stderr, "eddy: EDDY_STALL=%s is no duration: write 0, 500us, 250ms or 2s\n", text);
    return chosen;
}

}  // namespace

class stall_watchdog {
public:
    void add(stall_watch& one) noexcept;
    void remove(stall_watch& one) noexcept;
    void wake() noexcept;
    stall_counters counters(const stall_watch& of) noexcept;

private:
    using lock_guard = std::lock_guard<sys::static_mutex<std::mutex>>;

    void start() noexcept;
    [[noreturn]] void run() noexcept;
    void sleep_until_woken() noexcept;
    [[nodiscard]] bool any_runs() noexcept;
    [[nodiscard]] nanoseconds interval() noexcept;
    [[nodiscard]] bool look_at_all(nanoseconds passed, bool is_late) noexcept;
    [[nodiscard]] nanoseconds time_without_processor(nanoseconds passed) noexcept;
    [[nodiscard]] bool any_is_blocked() const noexcept;
    [[nodiscard]] static bool look_at(stall_watch& one, nanoseconds passed, nanoseconds most_blocked) noexcept;
    static void measure(stall_watch& one, nanoseconds passed, nanoseconds most_blocked) noexcept;
    static void end_poll(stall_watch& one) noexcept;
    [[nodiscard]] static stall_watch::sight sight_of(const stall_watch& one) noexcept;
    void report_all(std::optional<endless_wait::observer_thread>& observes) noexcept;
    [[nodiscard]] stall_watch* take_stalled() noexcept;
    void report(stall_watch& stalled) noexcept;

    sys::static_mutex<std::mutex> lock_;
    // Under the lock.
    stall_watch* first_ = nullptr;
    stall_watch* reported_ = nullptr;  // is not freed
    bool is_started_ = false;
    // Any thread.
    sys::sleep_word wakes_{0};
    sys::sleep_word reports_{0};                // that have ended
    std::atomic<const void*> thread_{nullptr};  // the mark of the watchdog's own thread
    // The watchdog's thread.
    std::array<sys::ready_thread, most_ready> ready_{};  // at the last look
    std::size_t ready_count_ = 0;
    stall_reporter* reporter_ = nullptr;  // never freed: the thread may run while the program exits
};

namespace {
constinit stall_watchdog stalls_of_process;
}  // namespace

// ---- The watched threads ----

stall_watch::stall_watch(const stall_settings& chosen, const void* polls)
    : polls_(polls),
      limit_(limit_of(chosen.limit)),
      on_stall_(chosen.on_stall),
      executor_(chosen.executor),
      is_on_(limit_ > nanoseconds(0) && sys::this_thread_number() != 0 && sys::fork_generation() == 0) {
    if (is_on_) stalls_of_process.add(*this);
}

stall_watch::~stall_watch() {
    if (is_on_ && !sys::is_forked_child()) stalls_of_process.remove(*this);
}

void stall_watch::watch_this_thread() noexcept {
    if (!is_on_) return;
    // relaxed: begin_run() publishes them, and makes another look of one that has read only one of them.
    thread_.store(sys::this_thread_number(), std::memory_order_relaxed);
    context_.store(&this_thread, std::memory_order_relaxed);
}

void stall_watch::wake_watchdog() noexcept { stalls_of_process.wake(); }

stall_counters stall_watch::counters() const noexcept { return stalls_of_process.counters(*this); }

void stall_watchdog::add(stall_watch& one) noexcept {
    const lock_guard guard(lock_);
    one.next_ = first_;
    if (first_ != nullptr) first_->previous_ = &one;
    first_ = &one;
}

void stall_watchdog::remove(stall_watch& one) noexcept {
    for (;;) {
        // acquire: pairs with the release in report_all().
        const std::uint32_t reports = reports_.load(std::memory_order_acquire);
        {
            const lock_guard guard(lock_);
            // relaxed: only the own thread finds its own mark.
            if (reported_ != &one || thread_.load(std::memory_order_relaxed) == this_thread_mark()) {
                if (one.next_ != nullptr) one.next_->previous_ = one.previous_;
                (one.previous_ == nullptr ? first_ : one.previous_->next_) = one.next_;
                return;
            }
        }
        static_cast<void>(sys::sleep_on(reports_, reports, steady_clock::time_point::max()));
    }
}

stall_counters stall_watchdog::counters(const stall_watch& of) noexcept {
    if (sys::is_forked_child()) return {};  // another thread may have had the lock at the fork
    const lock_guard guard(lock_);
    return of.counted_;
}

// ---- The thread ----

void stall_watchdog::wake() noexcept {
    if (sys::is_forked_child()) return;
    // seq_cst: after the load in begin_run(). One of the threads that find it asleep wakes it.
    if (!stall_watch::watchdog_sleeps.exchange(false, std::memory_order_seq_cst)) return;
    const bool starts = [&] {
        const lock_guard guard(lock_);
        return !std::exchange(is_started_, true);
    }();
    if (starts) return start();
    // release: pairs with the acquire in sleep_until_woken(). Only the change of the number matters.
    wakes_.fetch_add(1, std::memory_order_release);
    sys::wake_sleeper(wakes_);
}

/// Without a thread there are no reports.
void stall_watchdog::start() noexcept {
    const blocked_signals in_new_thread;
    auto thread = sys::start_thread("eddy-stalls", 0, []() noexcept { stalls_of_process.run(); });
    if (thread) thread->detach();  // it ends with the process
}

void stall_watchdog::run() noexcept {
    thread_.store(this_thread_mark(), std::memory_order_relaxed);  // relaxed: see remove()
    // It wakes no thread, except while it calls a handler.
    std::optional<endless_wait::observer_thread> observes(std::in_place);
    int quiet_looks = 0;
    auto last = steady_clock::now();
    for (;;) {
        const nanoseconds pause = interval();
        std::this_thread::sleep_for(pause);
        const auto now = steady_clock::now();
        const nanoseconds passed = now - std::exchange(last, now);
        const bool any = look_at_all(passed, passed > 2 * pause + usual_delay);
        report_all(observes);
        quiet_looks = any ? 0 : quiet_looks + 1;
        if (quiet_looks < quiet_looks_before_sleep) continue;
        sleep_until_woken();
        quiet_looks = 0;
        last = steady_clock::now();
    }
}

void stall_watchdog::sleep_until_woken() noexcept {
    // acquire: pairs with the release in wake().
    const std::uint32_t wakes = wakes_.load(std::memory_order_acquire);
    // seq_cst: the store of a store-load pair, see begin_run().
    stall_watch::watchdog_sleeps.store(true, std::memory_order_seq_cst);
    // If another thread has set the flag back, it wakes this one.
    if (any_runs() && stall_watch::watchdog_sleeps.exchange(false, std::memory_order_seq_cst)) return;
    while (wakes_.load(std::memory_order_acquire) == wakes)
        static_cast<void>(sys::sleep_on(wakes_, wakes, steady_clock::time_point::max()));
}

bool stall_watchdog::any_runs() noexcept {
    const lock_guard guard(lock_);
    for (const stall_watch* one = first_; one != nullptr; one = one->next_) {
        // seq_cst: the load of the pair, see begin_run().
        if (one->activity_.load(std::memory_order_seq_cst) % 2 != 0) return true;
    }
    return false;
}

nanoseconds stall_watchdog::interval() noexcept {
    const lock_guard guard(lock_);
    nanoseconds shortest = most_interval;
    for (const stall_watch* one = first_; one != nullptr; one = one->next_)
        shortest = std::min(shortest, one->limit_ / looks_per_limit);
    return std::max(shortest, least_interval);
}

// ---- Looks ----

/// Returns whether a thread runs.
bool stall_watchdog::look_at_all(nanoseconds passed, bool is_late) noexcept {
    const lock_guard guard(lock_);
    const nanoseconds most_blocked = is_late ? nanoseconds(0) : passed - time_without_processor(passed);
    bool any = false;
    for (stall_watch* one = first_; one != nullptr; one = one->next_) any = look_at(*one, passed, most_blocked) || any;
    return any;
}

/// Returns for how long, since the last look, a thread was ready and did not run. Other threads are only looked at
/// while a poll is blocked.
nanoseconds stall_watchdog::time_without_processor(nanoseconds passed) noexcept {
    const auto before = std::exchange(ready_, {});
    const auto count_before = std::exchange(ready_count_, any_is_blocked() ? sys::ready_threads(ready_) : 0);
    nanoseconds longest{0};
    for (const sys::ready_thread& now : std::span(ready_).first(ready_count_))
        for (const sys::ready_thread& then : std::span(before).first(count_before))
            if (now.number == then.number) longest = std::max(longest, passed - (now.used - then.used));
    return std::min(longest, passed);
}

bool stall_watchdog::any_is_blocked() const noexcept {
    for (const stall_watch* one = first_; one != nullptr; one = one->next_)
        if (one->poll_.was_blocked) return true;
    return false;
}

bool stall_watchdog::look_at(stall_watch& one, nanoseconds passed, nanoseconds most_blocked) noexcept {
    const stall_watch::sight seen = sight_of(one);
    if (seen.task != 0 && seen == one.poll_.is) {
        measure(one, passed, most_blocked);
    } else {
        end_poll(one);
        one.poll_.is = seen;
    }
    return seen.activity % 2 != 0;
}

/// Returns what the thread does now. Without a task if it waits, or if what it does has changed meanwhile.
stall_watch::sight stall_watchdog::sight_of(const stall_watch& one) noexcept {
    stall_watch::sight seen;
    // acquire: pairs with the seq_cst store in begin_run(), which publishes thread_ and context_.
    seen.activity = one.activity_.load(std::memory_order_acquire);
    if (seen.activity % 2 == 0) return seen;
    seen.polls = poll_reader::word(one.polls_);
    const polled_now now = poll_reader::task_of(one.context_.load(std::memory_order_relaxed));  // relaxed: see above
    if (poll_reader::word(one.polls_) != seen.polls) return seen;
    seen.task = now.task;
    seen.id = now.id;
    return seen;
}

void stall_watchdog::measure(stall_watch& one, nanoseconds passed, nanoseconds most_blocked) noexcept {
    auto& poll = one.poll_;
    const auto sample = sys::sample_thread(one.thread_.load(std::memory_order_relaxed));  // relaxed: see sight_of()
    if (!sample) return;
    if (poll.used_before >= nanoseconds(0)) {
        const nanoseconds used = std::min(sample->used - poll.used_before, passed);
        poll.computed += used;
        if (poll.was_blocked && sample->is_blocked) poll.blocked += std::min(passed - used, most_blocked);
    }
    poll.used_before = sample->used;
    poll.was_blocked = sample->is_blocked;
    if (poll.is_stall || poll.lasted() < one.limit_ || sys::is_debugged()) return;
    poll.is_stall = poll.is_to_report = true;
    ++one.counted_.stalls;
}

void stall_watchdog::end_poll(stall_watch& one) noexcept {
    if (one.poll_.is_stall)
        one.counted_.times.add(duration_histogram::bucket_of(one.poll_.lasted()), 1, one.poll_.lasted());
    one.poll_ = {};
}

// ---- Reports ----

void stall_watchdog::report_all(std::optional<endless_wait::observer_thread>& observes) noexcept {
    while (stall_watch* const stalled = take_stalled()) {
        observes.reset();
        report(*stalled);
        {
            const lock_guard guard(lock_);
            reported_ = nullptr;
        }
        // release: pairs with the acquire in remove().
        reports_.fetch_add(1, std::memory_order_release);
        sys::wake_sleeper(reports_);
        observes.emplace();
    }
}

/// Returns a thread whose stall is to be reported. It is not freed until reported_ is set back.
stall_watch* stall_watchdog::take_stalled() noexcept {
    const lock_guard guard(lock_);
    for (stall_watch* one = first_; one != nullptr; one = one->next_) {
        if (std::exchange(one->poll_.is_to_report, false)) return reported_ = one;
    }
    return nullptr;
}

void stall_watchdog::report(stall_watch& stalled) noexcept {
    // The other members of poll_ change on this thread only.
    const auto& poll = stalled.poll_;
    if (reporter_ == nullptr) reporter_ = new (std::nothrow) stall_reporter;
    if (reporter_ == nullptr) return;
    const stalled_poll made{.thread = stalled.thread_.load(std::memory_order_relaxed),  // relaxed, both: see sight_of()
                            .context = stalled.context_.load(std::memory_order_relaxed),
                            .executor = stalled.executor_,
                            .task = poll.is.task,
                            .lasted = poll.lasted(),
                            .limit = stalled.limit_,
                            .is_blocked = poll.blocked > poll.computed};
    reporter_->report(made, stalled.on_stall_, [&] { return sight_of(stalled) == poll.is; });
}

}  // namespace eddy::detail
