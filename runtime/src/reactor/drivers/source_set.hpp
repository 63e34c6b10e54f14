// SPDX-License-Identifier: MIT
#pragma once

#include <mutex>
#include <vector>

#include <eddy/detail/atomic.hpp>
#include <eddy/detail/ref_count.hpp>
#include <eddy/io/interest.hpp>
#include <eddy/result.hpp>

#include "reactor/drivers/driver_ticks.hpp"
#include "reactor/source/scheduled_io.hpp"

namespace eddy::detail {

/// The sources that are registered with a driver, and the ticks of that driver: the part of an io_handle that its
/// completion transport also uses. lock() guards the links of the sources and their `watched`.
/// Lifetime: reference-counted.
/// Thread safety: any thread; see driver_ticks for the ticks.
class source_set : public driver_ticks {
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

    /// Makes the descriptor of the source one of `by`, a pipe without readers, whose readiness is reported once: it
    /// does not change any more, so the driver does not watch it.
    /// Errors: any error of dup2(2).
    result<void> replace_file(scheduled_io& source, int by) noexcept;

    /// Changes what the driver watches the source for. If a condition already holds, reports it once more.
    /// Errors: runtime_shutdown; what epoll_ctl(2) reports.
    result<void> watch_again(scheduled_io& source, io::interest wanted) noexcept;
    /// Adds `more` to what the driver watches the source for. Returns whether that changed anything.
    /// Errors: same as watch_again(); bad_file_descriptor if the source was removed.
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

    // ---- All sources ----

    /// Returns the registered descriptors, except those of a ring.
    [[nodiscard]] std::vector<int> registered() const;
    /// Returns whether no source is registered.
    [[nodiscard]] bool is_idle() const noexcept;
    /// Makes the removal of the last source wake the driver.
    void wake_when_idle() noexcept;

protected:
    using driver_ticks::driver_ticks;
    virtual ~source_set() = default;

    /// Shuts all sources down.
    /// Preconditions: close_driver() has returned.
    void shut_down_sources() noexcept;

private:
    [[nodiscard]] result<void> check_open() const noexcept;
    [[nodiscard]] result<bool> add_interest(scheduled_io& source, io::interest more) noexcept;
    void unlink_and_release(scheduled_io& source, bool was_watched, std::unique_lock<mutex>&& guard) noexcept;

    ref_count<> references_;
    source_list sources_;  // has a reference to each source; guarded by the lock, like the next one
    bool wakes_when_idle_ = false;
};

}  // namespace eddy::detail
