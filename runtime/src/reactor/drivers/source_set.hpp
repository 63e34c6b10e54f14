// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <mutex>
#include <utility>

#include <eddy/detail/atomic.hpp>
#include <eddy/detail/ref_count.hpp>
#include <eddy/io/interest.hpp>
#include <eddy/result.hpp>
#include <eddy/runtime/reactor.hpp>

#include "reactor/drivers/driver.hpp"
#include "reactor/drivers/driver_lock.hpp"
#include "reactor/drivers/io_counters.hpp"
#include "reactor/drivers/pending_release_list.hpp"
#include "reactor/source/scheduled_io.hpp"
#include "sys/fork.hpp"

namespace eddy::detail {

/// A readiness driver and the sources that are registered with it: the part of an io_handle that its completion
/// transport also uses.
///
///     guarded by         what
///     lock()             the links of the sources, `watched`, the removed sources, changes of what is watched
///     the driver lock    poll_events(), and the release of removed sources
///
/// A source that is removed while its events are being dispatched stays allocated until the end of the tick: see
/// pending_release_list, which only the holder of the driver lock empties, before it polls.
///
/// Lifetime: reference-counted.
/// Thread safety: any thread, except poll_events() and release_pending().
class source_set : immovable {
public:
    /// Adds or releases a reference. The last release() destroys the object.
    void retain() noexcept { references_.add(); }
    void release() noexcept {
        if (references_.drop()) delete this;
    }

    // ---- Registration ----

    /// Registers `fd`. The caller gets a reference to the source.
    /// Errors: runtime_shutdown; not_enough_memory; what epoll_ctl(2) reports. After an error nothing is registered.
    [[nodiscard]] result<scheduled_io*> add_source(int fd, io::interest wanted) noexcept;
    /// Adds a source that the driver does not watch yet to `list`, which gets a reference.
    /// Errors: runtime_shutdown.
    [[nodiscard]] result<void> add_unwatched(scheduled_io& source, source_list& list) noexcept;
    [[nodiscard]] result<void> add_unwatched(scheduled_io& source) noexcept { return add_unwatched(source, sources_); }
    /// Deregisters the source, whose descriptor must still be open, and releases the caller's reference. Drops the
    /// wakers of the source.
    result<void> remove_source(scheduled_io& source) noexcept;

    /// Changes what the driver watches the source for. If a condition already holds, reports it once more.
    /// Errors: runtime_shutdown; what epoll_ctl(2) reports.
    result<void> watch_again(scheduled_io& source, io::interest wanted) noexcept;
    /// Adds `more` to what the driver watches the source for. Returns whether that changed anything.
    /// Errors: those of watch_again(); bad_file_descriptor if the source was removed.
    result<bool> watch_more(scheduled_io& source, io::interest more) noexcept;
    /// Same as watch_more(), and the source is watched for all of it until it is removed.
    result<bool> watch_for_good(scheduled_io& source, io::interest more) noexcept;
    /// Stops watching the source for anything but writability, unless watch_for_good() was called.
    void watch_writing_only(scheduled_io& source) noexcept;

    // For composite_io. The caller of the first three holds the lock.
    /// Watches one descriptor of the source.
    /// Errors: as add_source().
    [[nodiscard]] result<void> watch_part(scheduled_io& source, int fd, io::interest wanted) noexcept;
    [[nodiscard]] result<void> change_part(scheduled_io& source, int fd, io::interest wanted) noexcept;
    result<void> unwatch_part(int fd) noexcept;
    /// Removes the source from its list, after its descriptors. Releases the caller's reference.
    void drop_source(scheduled_io& source) noexcept;

    // ---- The parts of a tick, for the io_handle and for workers that share the driver ----

    [[nodiscard]] bool try_lock_driver() noexcept { return !is_in_child() && driver_lock_.try_lock_for_owner(); }
    void unlock_driver() noexcept { driver_lock_.unlock(); }
    void set_alarm(std::chrono::nanoseconds delay) noexcept { driver_->set_alarm(delay); }
    /// Polls the driver once and passes each event to its source. Returns the number of events.
    /// Errors: runtime_shutdown; what the driver reports.
    result<std::size_t> poll_events(max_wait timeout) noexcept;
    /// Frees the removed sources.
    void release_pending() noexcept { pending_release_.release_all(lock_); }

    /// Ends the tick in progress, or the next one. Does nothing in a forked child: there the epoll is shared with
    /// the parent.
    void wake() noexcept {
        if (!is_in_child()) driver_->wake();
    }
    /// Wakes the thread that runs the ticks, after work was left for it. If that is this thread, it does the work
    /// before it sleeps.
    void wake_if_driven_elsewhere() noexcept;

    /// Returns whether later registrations are refused.
    [[nodiscard]] bool is_shut_down() const noexcept {
        // relaxed: the answer may be outdated anyway. add_source() checks again under the lock.
        return is_shut_down_.load(std::memory_order_relaxed);
    }
    /// Returns whether this process is a fork of the one that created the driver. The epoll is then shared with the
    /// parent, and most operations are refused.
    [[nodiscard]] bool is_in_child() const noexcept { return process_.is_from_parent(); }
    [[nodiscard]] mutex& lock() const noexcept { return lock_; }
    [[nodiscard]] readiness_driver& driver() noexcept { return *driver_; }
    [[nodiscard]] io_counters& counters() noexcept { return counters_; }

protected:
    explicit source_set(std::unique_ptr<readiness_driver> driver) noexcept : driver_(std::move(driver)) {}
    virtual ~source_set();

    const std::unique_ptr<readiness_driver> driver_;
    driver_lock driver_lock_;
    bool has_pending_wake_ = false;  // a tick has found a wake-up for the owner; guarded by the driver lock
    // The thread that was in io_handle::tick() last. Its own removals need no wake-up, since it runs a tick before it
    // sleeps.
    atomic<const void*> owner_{nullptr};

    mutable mutex lock_;
    atomic<bool> is_shut_down_{false};  // written under lock_
    bool driver_is_closed_ = false;     // guarded by lock_, like the next two
    bool wakes_when_idle_ = false;
    source_list sources_;  // has a reference to each source
    io_counters counters_;

private:
    [[nodiscard]] bool may_use_driver() const noexcept { return !is_in_child() && !driver_is_closed_; }
    [[nodiscard]] result<void> check_open() const noexcept;
    [[nodiscard]] result<bool> add_interest(scheduled_io& source, io::interest more) noexcept;
    void unlink_and_release(scheduled_io& source, bool was_watched, std::unique_lock<mutex>&& guard) noexcept;

    const sys::process_mark process_;
    ref_count<> references_;
    pending_release_list pending_release_;
};

}  // namespace eddy::detail
