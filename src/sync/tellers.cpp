// SPDX-License-Identifier: MIT
#include <eddy/detail/tellers.hpp>

#ifndef EDDY_EXPLORE
#include "core/this_thread.hpp"
#endif

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

tellers::teller::teller() noexcept : thread_(own_mark()) {}

void tellers::add(teller& one) noexcept {
    one.next_ = first_;
    first_ = &one;
}

void tellers::remove(teller& one) noexcept {
    teller** place = &first_;
    while (*place != &one) place = &(*place)->next_;
    *place = one.next_;
}

void tellers::leave_own_behind() noexcept {
    const void* const mine = own_mark();
    for (teller** place = &first_; *place != nullptr;) {
        teller& one = **place;
        if (one.thread_ == mine) {
            one.is_left_behind_ = true;
            *place = one.next_;
        } else {
            place = &one.next_;
        }
    }
}

}  // namespace eddy::detail
