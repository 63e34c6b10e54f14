// SPDX-License-Identifier: MIT
#include <eddy/sync/detail/watch_state.hpp>

namespace eddy::detail {

watch_state::news watch_state::poll_news(version_type& seen, notify_waiter& one, const waker& wake) noexcept {
    word now = 0;
    const auto has_news = [&] {
        now = load();
        return now / one_version != seen || (now & closed) != 0;
    };
    if (!changes_.poll_until(one, wake, has_news)) return news::none;
    if (now / one_version == seen) return news::closed;
    seen = now / one_version;
    return news::value;
}

bool watch_state::poll_receivers_gone(notify_waiter& one, const waker& wake) noexcept {
    return receivers_gone_.poll_until(one, wake, [&] { return receivers() == 0; });
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
