// SPDX-License-Identifier: MIT
#include "reactor/drivers/source_set.hpp"

#include <mutex>
#include <new>
#include <optional>
#include <utility>

#include <eddy/detail/frame_pool.hpp>
#include <eddy/detail/runtime_context.hpp>
#include <eddy/error.hpp>

#include "reactor/source/rearmed_io.hpp"
#include "sys/syscall.hpp"

namespace eddy::detail {
namespace {

// As in Tokio: wake the event loop after this many removals, so that released sources do not accumulate while it
// sleeps.
constexpr std::size_t wake_after_releases = 16;

std::unexpected<std::error_code> no_memory() noexcept {
    return std::unexpected(std::make_error_code(std::errc::not_enough_memory));
}

/// Returns the set with these bits, which must not be empty.
io::interest interest_of(std::uint8_t bits) noexcept {
    std::optional<io::interest> all;
    for (const auto each : {io::interest::readable, io::interest::writable, io::interest::priority}) {
        if ((bits & each.bits()) != 0) all = all ? *all | each : each;
    }
    return *all;
}

}  // namespace

// ---- Registration ----

/// Returns runtime_shutdown if nothing can be registered. The caller holds the lock.
result<void> source_set::check_open() const noexcept {
    if (is_shut_down() || is_in_child()) return std::unexpected(make_error_code(errc::runtime_shutdown));
    return ok();
}

result<scheduled_io*> source_set::add_source(int fd, io::interest wanted) noexcept try {
    rearming_driver* const rearming = driver().rearming();
    scheduled_io* const source = rearming == nullptr ? pool_new<scheduled_io>(fd) : pool_new<rearmed_io>(fd, *rearming);
    const auto added = [&]() -> result<void> {
        // The lock also covers the system call: the shutdown closes the driver under it.
        const std::lock_guard guard(lock());
        if (auto watched = watch_part(*source, fd, wanted); !watched) return watched;
        source->watched = wanted.bits();
        source->retain();  // the set's reference
        sources_.push_back(*source);
        return ok();
    }();
    if (added) return source;
    source->release();
    return std::unexpected(added.error());
} catch (const std::bad_alloc&) {
    return no_memory();
}

result<void> source_set::add_unwatched(scheduled_io& source, source_list& list) noexcept {
    const std::lock_guard guard(lock());
    if (auto open = check_open(); !open) return open;
    source.retain();  // the list's reference
    list.push_back(source);
    if (source.fd() >= 0) counters().add_registered();
    return ok();
}

result<void> source_set::watch_part(scheduled_io& source, int fd, io::interest wanted) noexcept {
    if (auto open = check_open(); !open) return open;
    if (auto watched = driver().watch(fd, &source, wanted); !watched) return watched;
    counters().add_registered();
    return ok();
}

result<void> source_set::change_part(scheduled_io& source, int fd, io::interest wanted) noexcept {
    if (auto open = check_open(); !open) return open;
    return driver().watch_again(fd, &source, wanted);
}

result<void> source_set::unwatch_part(int fd) noexcept {
    counters().add_deregistered();
    // In a forked child the epoll is shared with the parent, whose registrations must stay.
    return may_use_driver() ? driver().unwatch(fd) : ok();
}

result<void> source_set::remove_source(scheduled_io& source) noexcept {
    source.clear_wakers();
    std::unique_lock guard(lock());
    result<void> unwatched;
    const bool was_watched = std::exchange(source.watched, std::uint8_t{0}) != 0;
    counters().add_deregistered();
    if (was_watched && may_use_driver()) unwatched = driver().unwatch(source.fd());
    unlink_and_release(source, was_watched, std::move(guard));
    return unwatched;
}

result<void> source_set::replace_file(scheduled_io& source, int by) noexcept {
    {
        const std::lock_guard guard(lock());
        // Before dup2(2): the driver would go on to watch the old file if that has another descriptor, too. `watched`
        // stays, since a tick may be dispatching an event, for which unlink_and_release() waits.
        if (may_use_driver()) static_cast<void>(driver().unwatch(source.fd()));
        if (auto replaced = sys::replace_file(source.fd(), by); !replaced) return replaced;
    }
    source.report(io::ready::writable | io::ready::write_closed | io::ready::error);
    return ok();
}

void source_set::drop_source(scheduled_io& source) noexcept {
    source.clear_wakers();
    unlink_and_release(source, true, std::unique_lock(lock()));
}

/// Removes the source from its list, and releases the references of the caller and of the list: immediately, or if it
/// was watched, after the tick that may be dispatching its events. Unlocks `guard`.
void source_set::unlink_and_release(scheduled_io& source, bool was_watched, std::unique_lock<mutex>&& guard) noexcept {
    std::size_t pending = 0;
    std::uint32_t references = 1;
    if (source.previous != nullptr) {  // else the shutdown has unlinked it
        source_list::remove(source);
        if (was_watched) {
            pending = pending_release_.add(source);
        } else {
            references += 1;
        }
    }
    const bool is_awaited_last = wakes_when_idle_ && sources_.is_empty();
    guard.unlock();
    source.release(references);
    if (is_awaited_last || (pending >= wake_after_releases && !driver_lock_.is_driven_here())) wake();
}

result<void> source_set::watch_again(scheduled_io& source, io::interest wanted) noexcept {
    const std::lock_guard guard(lock());
    auto changed = change_part(source, source.fd(), wanted);
    if (changed) source.watched = wanted.bits();
    return changed;
}

/// Preconditions: lock() is held.
result<bool> source_set::add_interest(scheduled_io& source, io::interest more) noexcept {
    if (auto open = check_open(); !open) return std::unexpected(open.error());
    // After the removal, another file may have the number of the descriptor.
    if (source.previous == nullptr) return std::unexpected(std::make_error_code(std::errc::bad_file_descriptor));
    const auto wanted = static_cast<std::uint8_t>(source.watched | more.bits());
    if (wanted == source.watched) return false;
    const auto done = source.watched == 0 ? driver().watch(source.fd(), &source, interest_of(wanted))
                                          : driver().watch_again(source.fd(), &source, interest_of(wanted));
    if (!done) return std::unexpected(done.error());
    source.watched = wanted;
    return true;
}

result<bool> source_set::watch_more(scheduled_io& source, io::interest more) noexcept {
    const std::lock_guard guard(lock());
    return add_interest(source, more);
}

result<bool> source_set::watch_for_good(scheduled_io& source, io::interest more) noexcept {
    const std::lock_guard guard(lock());  // once: watch_writing_only() must not come between
    auto done = add_interest(source, more);
    if (done && source.watched != 0) source.watched |= scheduled_io::is_lasting;
    return done;
}

void source_set::watch_writing_only(scheduled_io& source) noexcept {
    const std::lock_guard guard(lock());
    const std::uint8_t writing = io::interest::writable.bits();
    if (source.watched == 0 || source.watched == writing || !check_open()) return;
    if ((source.watched & scheduled_io::is_lasting) != 0) return;
    if (driver().watch_again(source.fd(), &source, io::interest::writable)) source.watched = writing;
}

// ---- All sources ----

std::vector<int> source_set::registered() const {
    std::vector<int> all;
    const std::lock_guard guard(lock());
    for (const source_link* one = sources_.next; one != &sources_; one = one->next) {
        // SAFETY: the set contains only scheduled_io objects.
        const int fd = static_cast<const scheduled_io*>(one)->fd();
        if (fd >= 0) all.push_back(fd);
    }
    return all;
}

bool source_set::is_idle() const noexcept {
    const std::lock_guard guard(lock());
    return sources_.is_empty();
}

void source_set::wake_when_idle() noexcept {
    const std::lock_guard guard(lock());
    wakes_when_idle_ = true;
}

void source_set::shut_down_sources() noexcept {
    std::unique_lock guard(lock());
    while (!sources_.is_empty()) {
        // SAFETY: the set contains only scheduled_io objects, each with the reference of the set.
        auto& source = static_cast<scheduled_io&>(*sources_.next);
        source_list::remove(source);
        guard.unlock();
        source.shut_down();
        source.release();
        guard.lock();
    }
}

}  // namespace eddy::detail
