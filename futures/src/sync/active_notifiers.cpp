// SPDX-License-Identifier: MIT
#include <eddy/sync/detail/active_notifiers.hpp>

#include <eddy/detail/runtime_context.hpp>

namespace eddy::detail {
namespace {

/// Returns a value that identifies the calling thread among the threads that are alive.
const void* own_mark() noexcept {
#ifdef EDDY_EXPLORE
    return explore::thread_mark();
#else
    return this_thread_mark();
#endif
}

}  // namespace

active_notifiers::active_notifier::active_notifier() noexcept : thread_(own_mark()) {}

void active_notifiers::add(active_notifier& one) noexcept {
    one.next_ = first_;
    first_ = &one;
}

void active_notifiers::remove(active_notifier& one) noexcept {
    active_notifier** place = &first_;
    while (*place != &one) place = &(*place)->next_;
    *place = one.next_;
}

void active_notifiers::abandon_own_thread() noexcept {
    const void* const mine = own_mark();
    for (active_notifier** place = &first_; *place != nullptr;) {
        active_notifier& one = **place;
        if (one.thread_ == mine) {
            one.is_object_gone_ = true;
            *place = one.next_;
        } else {
            place = &one.next_;
        }
    }
}

}  // namespace eddy::detail
