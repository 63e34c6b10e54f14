// SPDX-License-Identifier: MIT
#include "client/idle_keeper.hpp"

#include <optional>

#include <eddy/task/spawn.hpp>
#include <eddy/task/task.hpp>
#include <eddy/time/clock.hpp>
#include <eddy/time/timeout.hpp>

#include "client/pool.hpp"

namespace eddy::detail {
namespace {

/// What a task owns from before its first poll. The task may be destroyed at any time, by the end of its event loop,
/// which is the thread of the connections, too.
class keeping {
public:
    keeping(std::weak_ptr<http_client>&& client, std::shared_ptr<idle_keeper>&& keeper, std::string&& loop) noexcept
        : client_(std::move(client)), keeper_(std::move(keeper)), loop_(std::move(loop)) {}
    keeping(keeping&&) noexcept = default;
    keeping& operator=(keeping&&) = delete;
    ~keeping() {
        if (!keeper_) return;  // moved from
        if (const auto alive = client_.lock()) alive->end_keeper(loop_, *keeper_);
        keeper_->end_handed_over();
    }

    [[nodiscard]] sync::notify& news() const noexcept { return *keeper_->news(); }
    /// Closes connections. Returns the time of the next call, or nullopt if there will be none.
    [[nodiscard]] std::optional<time::time_point> close() const {
        if (!keeper_->end_handed_over()) return std::nullopt;
        const auto alive = client_.lock();
        if (!alive) return time::time_point::max();  // its destructor has not finished
        return alive->close_idle(loop_, *keeper_);
    }

private:
    std::weak_ptr<http_client> client_;
    std::shared_ptr<idle_keeper> keeper_;
    std::string loop_;
};

task<void> keep(keeping all) {
    while (const auto next = all.close()) {
        auto waiting = time::timeout_at(*next, all.news().notified());
        static_cast<void>(co_await waiting);
    }
}

}  // namespace

idle_keeper::~idle_keeper() {
    while (take()) {
    }
}

void idle_keeper::hand_over(std::unique_ptr<client_connection> connection) noexcept {
    {
        const std::lock_guard guard(lock_);
        connection->next = std::move(first_);
        first_ = std::move(connection);
    }
    news_->notify_one();
}

std::unique_ptr<client_connection> idle_keeper::take() noexcept {
    const std::lock_guard guard(lock_);
    auto taken = std::move(first_);
    if (taken) first_ = std::move(taken->next);
    return taken;
}

bool idle_keeper::end_handed_over() noexcept {
    std::unique_lock guard(lock_);
    const bool goes_on = !is_finished_;
    guard.unlock();
    while (const auto one = take()) one->end();
    return goes_on;
}

void idle_keeper::finish() noexcept {
    {
        const std::lock_guard guard(lock_);
        is_finished_ = true;
    }
    news_->notify_one();
}

void start_keeping(std::weak_ptr<http_client> client, std::shared_ptr<idle_keeper> keeper, std::string loop) {
    spawn_background(keep(keeping(std::move(client), std::move(keeper), std::move(loop)))).detach();
}

}  // namespace eddy::detail
