// SPDX-License-Identifier: MIT
#include <eddy/detail/watch_state.hpp>

namespace eddy::detail {

watch_state::news watch_state::poll_news(version_type& seen, notify_waiter& one, const waker& wake) noexcept {
    for (;;) {
        // Register before reading the version: a change between the two steps is then notified.
        if (one.stage != notify_waiter::stages::waiting) changes_.begin(one);
        const word now = load();
        if (now / one_version != seen || (now & closed) != 0) {
            changes_.leave(one);
            if (now / one_version == seen) return news::closed;
            seen = now / one_version;
            return news::value;
        }
        if (!changes_.poll(one, &wake)) return news::none;
    }
}

bool watch_state::poll_receivers_gone(notify_waiter& one, const waker& wake) noexcept {
    for (;;) {
        if (one.stage != notify_waiter::stages::waiting) receivers_gone_.begin(one);
        if (receivers() == 0) {
            receivers_gone_.leave(one);
            return true;
        }
        if (!receivers_gone_.poll(one, &wake)) return false;
        // A receiver may have been added since the notification: check again.
    }
}

bool watch_state::drop_sender() noexcept {
    if (senders_.drop()) {
        // release: pairs with the acquire in load().
        word_.fetch_or(closed, std::memory_order_release);
        changes_.notify_waiters();
    }
    return references_.drop();
}

bool watch_state::drop_receiver() noexcept {
    if (receivers_.drop()) receivers_gone_.notify_waiters();
    return references_.drop();
}

}  // namespace eddy::detail
