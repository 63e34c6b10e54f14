// SPDX-License-Identifier: MIT
#include <eddy/interop/fd_callbacks.hpp>

#include <map>
#include <optional>
#include <source_location>
#include <utility>
#include <vector>

#include <eddy/error.hpp>
#include <eddy/future/poll_fn.hpp>
#include <eddy/io/async_fd.hpp>

namespace eddy {

struct fd_callbacks::watched {
    io::async_fd<io::fd_view> source;
    std::optional<io::level_future<io::fd_view>> wait;
    io::interest wanted = io::interest::readable;
    io::ready now;  // what the next call of the function reports

    watched(int fd, std::source_location where)
        : source(io::fd_view(fd), io::interest::readable | io::interest::writable, where) {}

    void wait_for(io::interest conditions) noexcept {
        wanted = conditions;
        now = io::ready::none;
        wait.emplace(source.wait(conditions));
    }
};

fd_callbacks::fd_callbacks(std::function<void(int, io::ready)> on_ready, std::function<void()> on_timer,
                           std::source_location where)
    : on_ready_(std::move(on_ready)), on_timer_(std::move(on_timer)) {
    tasks_.spawn([this] { return run(); }, where);
}

fd_callbacks::~fd_callbacks() = default;

void fd_callbacks::watch(int fd, io::interest wanted, std::source_location where) {
    watched_.try_emplace(fd, fd, where).first->second.wait_for(wanted);
    task_.wake_by_ref();
}

void fd_callbacks::unwatch(int fd) noexcept { watched_.erase(fd); }

task<void> fd_callbacks::run() {
    for (;;) {
        auto events = poll_fn([this](context& cx) { return poll_events(cx); });
        const bool is_running = co_await events;
        if (!is_running) co_return;
        call_functions();
    }
}

// Finds the descriptors that are ready. Returns false if the event loop has ended.
poll_result<bool> fd_callbacks::poll_events(context& cx) {
    task_ = cx.waker();
    for (auto& [fd, each] : watched_) {
        const auto seen = each.wait->poll(cx);
        if (!seen) continue;
        if (!*seen && seen->error() == errc::runtime_shutdown) return false;
        const io::ready failed = io::ready::error | io::ready::mask_of(each.wanted);
        each.wait_for(each.wanted);
        each.now = seen->value_or(failed);
        ready_.push_back(fd);
    }
    if (timer_ && timer_->poll(cx)) {
        timer_.reset();
        is_timer_due_ = true;
    }
    return ready_.empty() && !is_timer_due_ ? poll_result<bool>(not_ready) : poll_result<bool>(true);
}

// Calls the functions for what poll_events() has found. A function may watch and unwatch any descriptor.
void fd_callbacks::call_functions() {
    for (const int fd : std::exchange(ready_, {})) {
        const auto found = watched_.find(fd);
        if (found == watched_.end() || found->second.now.is_empty()) continue;
        on_ready_(fd, std::exchange(found->second.now, io::ready::none));
    }
    if (std::exchange(is_timer_due_, false) && on_timer_) on_timer_();
}

}  // namespace eddy
