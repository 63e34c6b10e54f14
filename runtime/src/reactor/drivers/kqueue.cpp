// SPDX-License-Identifier: MIT
#include "reactor/drivers/kqueue.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <mutex>
#include <new>
#include <span>
#include <utility>

#include "reactor/source/scheduled_io.hpp"
#include "sys/countdown.hpp"
#include "sys/kevents.hpp"
#include "sys/syscall.hpp"
#include "sys/urgent_data.hpp"

namespace eddy::detail {
namespace {

using sys::error_of;
using sys::make_record;
using record = sys::kevent_record;

#if defined(EVFILT_EXCEPT) && defined(NOTE_OOB)
constexpr bool has_priority = true;
constexpr auto priority_filter = EVFILT_EXCEPT;
constexpr auto priority_note = NOTE_OOB;
#else
constexpr bool has_priority = false;
constexpr auto priority_filter = EVFILT_READ;  // not used
constexpr auto priority_note = 0;
#endif

static_assert(has_priority || !sys::reports_urgent_data);

/// The filters that a descriptor may have.
enum class way : unsigned char { reading, writing, priority };
constexpr std::array all_ways{way::reading, way::writing, way::priority};

bool has(const std::optional<io::interest>& wanted, way which) noexcept {
    if (!wanted) return false;
    if (which == way::reading) return wanted->is_readable();
    if (which == way::writing) return wanted->is_writable();
    return has_priority && wanted->is_priority();
}

record make_record(int fd, way which, unsigned flags, void* key) noexcept {
    const auto ident = static_cast<std::uintptr_t>(fd);
    if (which == way::reading) return make_record(ident, EVFILT_READ, flags, 0, key);
    if (which == way::writing) return make_record(ident, EVFILT_WRITE, flags, 0, key);
    return make_record(ident, priority_filter, flags, priority_note, key);
}

io::ready ready_of(const record& event) noexcept {
    const bool is_over = (event.flags & EV_EOF) != 0;
    io::ready ready;
    if (event.filter == EVFILT_READ) {
        ready |= io::ready::readable;
        if (is_over) ready |= io::ready::read_closed;
    } else if (event.filter == EVFILT_WRITE) {
        ready |= io::ready::writable;
        if (is_over) ready |= io::ready::write_closed;
    } else {
        return (event.fflags & priority_note) != 0 ? io::ready::readable | io::ready::priority : io::ready::readable;
    }
    // If the connection ended with an error, fflags is its errno.
    if (is_over && event.fflags != 0) ready |= io::ready::error;
    return ready;
}

}  // namespace

result<std::unique_ptr<kqueue_driver>> kqueue_driver::make(std::size_t events_per_tick) noexcept try {
    std::unique_ptr<kqueue_driver> made(new kqueue_driver(events_per_tick));
    auto queue = sys::make_kqueue();
    if (!queue) return std::unexpected(queue.error());
    made->queue_ = std::move(*queue);
    if (auto added = made->make_wake_filter(); !added) return std::unexpected(added.error());
    return made;
} catch (const std::bad_alloc&) {
    return std::unexpected(std::make_error_code(std::errc::not_enough_memory));
}

kqueue_driver::kqueue_driver(std::size_t events_per_tick) : events_(events_per_tick) {
    reports_.reserve(events_per_tick);
    broken_pipes_.reserve(1);
}

kqueue_driver::~kqueue_driver() {
    // A forked child does not have the kqueue: see the class comment.
    if (process_.is_from_parent()) static_cast<void>(queue_.release());
}

// ---- Filters ----

kqueue_driver::watched_fd* kqueue_driver::find(int fd) noexcept {
    const auto index = static_cast<std::size_t>(fd);
    if (fd < 0 || index >= watched_.size() || watched_[index].key == nullptr) return nullptr;
    return &watched_[index];
}

/// Adds the filters in `wanted`, and removes the others that `before` has. Makes all changes even if one of them fails.
/// Errors: any error of the first change that failed.
result<void> kqueue_driver::change_filters(int fd, source_key key, std::optional<io::interest> before,
                                           std::optional<io::interest> wanted) noexcept {
    std::array<record, all_ways.size()> records;
    std::array<way, all_ways.size()> ways{};
    std::size_t count = 0;
    for (const way each : all_ways) {
        if (!has(before, each) && !has(wanted, each)) continue;
        records[count] = make_record(fd, each, has(wanted, each) ? EV_ADD | EV_CLEAR : EV_DELETE, key);
        ways[count++] = each;
    }
    if (auto changed = sys::change_kevents(queue_.get(), std::span(records).first(count)); !changed) return changed;
    result<void> done;
    for (std::size_t i = 0; i != count; ++i) {
        const int error = error_of(records[i]);
        if (error == 0) continue;
        const bool is_added = has(wanted, ways[i]);
        if (!is_added && error == ENOENT) continue;  // a broken pipe has no filter for writing
        // Not every kind of descriptor has out-of-band data.
        if (ways[i] == way::priority && wanted != io::interest::priority) continue;
        if (is_added && error == EPIPE) {
            broken_pipes_.push_back(fd);  // watch() has reserved the memory
            trigger();
            continue;
        }
        if (done) done = std::unexpected(std::error_code(error, std::generic_category()));
    }
    return done;
}

result<void> kqueue_driver::watch(int fd, source_key key, io::interest wanted) noexcept try {
    if (auto checked = sys::check_pollable(fd); !checked) return checked;
    if (!has_priority && wanted == io::interest::priority) {
        return std::unexpected(std::make_error_code(std::errc::not_supported));
    }
    const std::lock_guard guard(lock_);
    if (find(fd) != nullptr) return std::unexpected(std::make_error_code(std::errc::file_exists));
    // Allocates first, because an allocation may throw.
    const auto index = static_cast<std::size_t>(fd);
    if (index >= watched_.size()) watched_.resize(std::max(2 * watched_.size(), index + 1));
    broken_pipes_.reserve(broken_pipes_.size() + 1);

    if (auto added = change_filters(fd, key, std::nullopt, wanted); !added) {
        static_cast<void>(change_filters(fd, key, wanted, std::nullopt));
        std::erase(broken_pipes_, fd);
        return added;
    }
    watched_[index].key = key;
    watched_[index].wanted = wanted;
    return ok();
} catch (const std::bad_alloc&) {
    return std::unexpected(std::make_error_code(std::errc::not_enough_memory));
}

result<void> kqueue_driver::watch_again(int fd, source_key key, io::interest wanted) noexcept try {
    const std::lock_guard guard(lock_);
    watched_fd* const known = find(fd);
    if (known == nullptr) return std::unexpected(std::make_error_code(std::errc::no_such_file_or_directory));
    broken_pipes_.reserve(broken_pipes_.size() + 1);
    const io::interest before = known->wanted;
    // EV_ADD of a filter that exists replaces the key. If the condition already holds, the kernel reports it once more.
    auto changed = change_filters(fd, key, before, wanted);
    known->key = key;
    known->wanted = changed ? wanted : before | wanted;
    return changed;
} catch (const std::bad_alloc&) {
    return std::unexpected(std::make_error_code(std::errc::not_enough_memory));
}

result<void> kqueue_driver::unwatch(int fd) noexcept {
    const std::lock_guard guard(lock_);
    watched_fd* const known = find(fd);
    if (known == nullptr) return std::unexpected(std::make_error_code(std::errc::no_such_file_or_directory));
    std::erase(broken_pipes_, fd);
    known->key = nullptr;
    return change_filters(fd, nullptr, known->wanted, std::nullopt);
}

// ---- Wake-ups ----

/// Adds the filter of the wake-ups. Its key is the address of the driver.
result<void> kqueue_driver::make_wake_filter() noexcept {
    std::array<record, 1> added;
#if defined(EVFILT_USER)
    added[0] = make_record(0, EVFILT_USER, EV_ADD | EV_CLEAR, 0, this);
    // A kernel that is older than the header refuses this filter.
    if (sys::change_kevents(queue_.get(), added) && error_of(added[0]) == 0) return ok();
#endif
    auto made = wake_pipe::make();
    if (!made) return std::unexpected(made.error());
    wakes_ = std::move(*made);
    added[0] = make_record(wakes_.read_end(), way::reading, EV_ADD | EV_CLEAR, this);
    if (auto changed = sys::change_kevents(queue_.get(), added); !changed) return changed;
    const int error = error_of(added[0]);
    if (error != 0) return std::unexpected(std::error_code(error, std::generic_category()));
    return ok();
}

/// Ends the wait in progress, or the next one.
void kqueue_driver::trigger() noexcept {
    if (wakes_) return wakes_.ring();
#if defined(EVFILT_USER)
    sys::trigger_user_event(queue_.get(), 0, this);
#endif
}

void kqueue_driver::wake() noexcept {
    // acq_rel: pairs with the exchange in collect().
    if (wake_is_due_.exchange(true, std::memory_order_acq_rel)) return;
    const std::lock_guard guard(lock_);
    if (!is_closed_) trigger();
}

void kqueue_driver::close() noexcept {
    const std::lock_guard guard(lock_);
    is_closed_ = true;
    queue_.reset();
    wakes_.close();
}

// ---- A tick ----

result<driver_tick> kqueue_driver::tick(max_wait timeout) {
    const auto done = wait(timeout);
    if (done) {
        for (const report& each : reports_) each.key->report(each.what);
    }
    return done;
}

/// Waits until a source has something to report, a wake-up has come, or the time is over.
result<driver_tick> kqueue_driver::wait(max_wait timeout) noexcept {
    for (sys::countdown time(alarm_.limit(timeout));;) {
        const int fetched = sys::wait_for_kevents(queue_.get(), events_, time.left());
        if (fetched < 0 && errno != EINTR) return std::unexpected(sys::last_error());
        const driver_tick done = collect(static_cast<std::size_t>(std::max(fetched, 0)));
        if (done.events == 0 && !done.was_woken) {
            time.update();
            if (!time.is_over()) continue;
        }
        alarm_.reset_if_due();
        return done;
    }
}

/// Converts the fetched events to reports.
driver_tick kqueue_driver::collect(std::size_t fetched) noexcept {
    reports_.clear();
    driver_tick done;
    bool was_triggered = false;
    for (const record& each : std::span(events_).first(fetched)) {
        if (sys::key_of(each) == this) {
            was_triggered = true;
        } else {
            // SAFETY: watch() has passed the key.
            pass_on(static_cast<source_key>(sys::key_of(each)), ready_of(each));
        }
    }
    if (was_triggered) {
        if (wakes_) wakes_.drain();
        // acq_rel: pairs with the exchange in wake(). A wake() that finds the flag set triggers nothing. The exchange
        // nevertheless makes visible what its thread has published before.
        done.was_woken = wake_is_due_.exchange(false, std::memory_order_acq_rel);
        collect_broken_pipes();
    }
    done.events = reports_.size();
    return done;
}

/// Reports the pipes for which the kernel has no filter. reports_ has room for at least one of them, because the event
/// of the trigger is not in reports_.
void kqueue_driver::collect_broken_pipes() noexcept {
    const std::lock_guard guard(lock_);
    while (!broken_pipes_.empty()) {
        if (reports_.size() == reports_.capacity()) return trigger();
        const watched_fd& each = watched_[static_cast<std::size_t>(broken_pipes_.back())];
        pass_on(each.key, io::ready::writable | io::ready::write_closed);
        broken_pipes_.pop_back();
    }
}

/// Adds a report. Merges consecutive events of the same descriptor: it often has one from each of its filters.
void kqueue_driver::pass_on(source_key key, io::ready what) noexcept {
    if (!reports_.empty() && reports_.back().key == key) {
        reports_.back().what |= what;
    } else {
        reports_.push_back({key, what});
    }
}

}  // namespace eddy::detail
