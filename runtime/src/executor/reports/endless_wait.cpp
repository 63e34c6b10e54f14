// SPDX-License-Identifier: MIT
#include "executor/reports/endless_wait.hpp"

#include <algorithm>
#include <cstddef>
#include <exception>
#include <mutex>
#include <string>
#include <utility>

#include <eddy/task/dump_tasks.hpp>

#include "sys/fork.hpp"
#include "sys/print_report.hpp"
#include "sys/signals.hpp"
#include "sys/static_mutex.hpp"
#include "sys/thread_probe.hpp"

namespace eddy::detail {
namespace {

using std::chrono::steady_clock;

// When a sleep is looked at: after 1 s, then at intervals that double up to the longest. A later look is needed because
// a thread that could have ended the sleep may end without doing so.
constexpr std::chrono::seconds time_until_look(1);
constexpr std::chrono::seconds longest_between_looks(64);

constinit sys::static_mutex<std::mutex> list_lock;
// Guarded by the lock:
constinit endless_wait* sleepers = nullptr;
constinit std::size_t sleeper_count = 0;
constinit std::size_t observer_count = 0;
constinit bool has_reported = false;

using list_guard = std::lock_guard<sys::static_mutex<std::mutex>>;

/// A forked child has none of the threads in the list, and its own thread is in no list.
[[maybe_unused]] const bool sleepers_held_during_forks = sys::hold_during_forks<list_lock>([] {
    sleepers = nullptr;
    sleeper_count = observer_count = 0;
});

/// What ends the waits of each kind, for the most frequent mistakes. `shown` is a text of the tree of tasks.
struct remedy {
    const char* shown;
    const char* text;
};
constexpr const char* drop_senders =
    "A receiver waits until all senders of its channel are destroyed, also one that its own task keeps: "
    "eddy::drop(std::move(sender)).\n";
constexpr const char* lock_once =
    "A mutex or rwlock is not recursive: a task that locks it twice waits for itself. Lock several mutexes in the same "
    "order in all tasks.\n";
constexpr remedy remedies[] = {
    {"waits for a message from a channel", drop_senders},
    {"waits for the value of a oneshot", drop_senders},
    {"waits for a new value of a watch", drop_senders},
    {"waits for a mutex", lock_once},
    {"waits for a read lock", lock_once},
    {"waits for a write lock", lock_once},
    {"waits for a notification",
     "notify_waiters() wakes only tasks that wait already; notify_one() stores a permit for the next one.\n"},
    {"waits for child process",
     "A process whose pipe is full waits for its reader: read out() and error() to their ends before wait(), or call "
     "process::run(). A process that reads its input waits for its end: in().reset().\n"},
};

/// Returns the sentences that may explain the waits in `tree`, each of them once.
std::string remedies_for(const std::string& tree) {
    std::string text;
    for (const remedy& one : remedies)
        if (tree.contains(one.shown) && !text.contains(one.text)) text += one.text;
    return text;
}

void print(const std::string& places) noexcept {
    try {
        const std::string tree = dump_tasks();
        sys::print_report(
            "eddy: this program waits for ever: all its threads sleep, and no timer, descriptor or signal can wake one "
            "of them.\n" +
            places + "All tasks:\n" + tree + remedies_for(tree));
    } catch (const std::exception&) {
        sys::print_report("eddy: this program waits for ever, and there is not enough memory to print its tasks\n");
    }
}

}  // namespace

endless_wait::limit endless_wait::begin(std::uint64_t progress) noexcept {
    const auto now = steady_clock::now();
    if (next_look_ == steady_clock::time_point() || progress != progress_) {
        progress_ = progress;
        wait_ = time_until_look;
        next_look_ = now + wait_;
    }
    if (now < next_look_) return next_look_ - now;
    wait_ = std::min<std::chrono::nanoseconds>(2 * wait_, longest_between_looks);
    next_look_ = now + wait_;
    const state mine = state_of_(sleeper_);
    return mine && enter(*mine) ? limit() : wait_;
}

/// Adds the thread to the list. Returns whether the program waits for ever, which the first such call prints.
bool endless_wait::enter(std::uint64_t now) noexcept {
    bool is_first = false;
    std::string places;
    {
        const list_guard guard(list_lock);
        entered_with_ = now;
        next_ = std::exchange(sleepers, this);
        link_ = &sleepers;
        if (next_ != nullptr) next_->link_ = &next_;
        ++sleeper_count;
        is_listed_ = true;
        if (!all_sleep()) return false;
        is_first = !std::exchange(has_reported, true);
        if (is_first) places = places_of_all();
    }
    if (is_first) print(places);
    return true;
}

void endless_wait::leave() noexcept {
    const list_guard guard(list_lock);
    *link_ = next_;
    if (next_ != nullptr) next_->link_ = link_;
    --sleeper_count;
    is_listed_ = false;
}

/// Returns whether all threads of the process wait for each other: see the class.
/// Preconditions: the lock is held.
bool endless_wait::all_sleep() noexcept {
    if (sys::thread_count() != sleeper_count + observer_count || sys::program_handles_signals()) return false;
    for (const endless_wait* each = sleepers; each != nullptr; each = each->next_)
        if (each->state_of_(each->sleeper_) != each->entered_with_) return false;
    return true;
}

/// Returns a line for each sleep whose place is known, and what the sleepers tell.
/// Preconditions: the lock is held.
std::string endless_wait::places_of_all() noexcept try {
    std::string text;
    for (const endless_wait* each = sleepers; each != nullptr; each = each->next_) {
        if (each->where_.line() != 0)
            text += "A thread waits at " + std::string(each->where_.file_name()) + ':' +
                    std::to_string(each->where_.line()) + '\n';
        text += each->text_of_(each->sleeper_);
    }
    return text;
} catch (const std::exception&) {
    return {};
}

endless_wait::observer_thread::observer_thread() noexcept {
    const list_guard guard(list_lock);
    ++observer_count;
}

endless_wait::observer_thread::~observer_thread() {
    const list_guard guard(list_lock);
    --observer_count;
}

}  // namespace eddy::detail
