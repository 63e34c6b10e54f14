// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <utility>

#include <eddy/future.hpp>
#include <eddy/sync/cancellation_token.hpp>
#include <eddy/task.hpp>
#include <eddy/time.hpp>

#include "support/dice.hpp"

// The ways in which a client drops an operation.

namespace soak {

/// Whether, how and when an operation is dropped.
struct drop_plan {
    enum class kind : unsigned char { never, timeout, select, token, abort, polls };

    kind how = kind::never;
    std::chrono::microseconds after{0};
    std::size_t polls = 0;

    drop_plan(support::dice& random, unsigned one_in) {
        if (one_in == 0 || !random.one_in(one_in)) return;
        how = static_cast<kind>(random.between(1, 5));
        after = std::chrono::microseconds(random.below(random.one_in(3) ? 50'000 : 3000));
        polls = random.between(1, 12);
    }
};

/// A future that drops another one after a number of polls. The output is nullopt then.
/// Thread safety: one thread at a time.
template <class T>
class limited_polls : public eddy::future_ops<limited_polls<T>> {
public:
    using output_type = std::optional<T>;

    limited_polls(eddy::task<T> work, std::size_t polls) : work_(std::move(work)), left_(polls) {}

    eddy::poll_result<output_type> poll(eddy::context& cx) {
        auto done = work_->poll(cx);
        if (done) return output_type(*std::move(done));
        if (--left_ != 0) return eddy::not_ready;
        work_.reset();
        return output_type();
    }

private:
    std::optional<eddy::task<T>> work_;
    std::size_t left_;
};

/// Runs an operation to its end, or drops it. Returns nullopt if it was dropped.
template <class T>
eddy::task<std::optional<T>> run_or_drop(eddy::task<T> work, drop_plan plan) {
    using kind = drop_plan::kind;
    switch (plan.how) {
    case kind::never: {
        T done = co_await std::move(work);
        co_return std::optional<T>(std::move(done));
    }
    case kind::timeout: {
        auto done = co_await eddy::time::timeout(plan.after, std::move(work));
        if (!done) co_return std::optional<T>();
        co_return std::optional<T>(*std::move(done));
    }
    case kind::select: {
        auto first = co_await eddy::select(eddy::time::sleep(plan.after), std::move(work));
        if (first.index() == 0) co_return std::optional<T>();
        co_return std::optional<T>(std::get<1>(std::move(first)));
    }
    case kind::token: {
        const eddy::sync::cancellation_token token;
        auto timer = [](eddy::sync::cancellation_token cancels, std::chrono::microseconds after) -> eddy::task<void> {
            co_await eddy::time::sleep(after);
            cancels.cancel();
        };
        eddy::spawn(timer(token, plan.after)).detach();
        auto first = co_await eddy::select(token.cancelled_owned(), std::move(work));
        if (first.index() == 0) co_return std::optional<T>();
        co_return std::optional<T>(std::get<1>(std::move(first)));
    }
    case kind::abort: {
        auto spawned = eddy::spawn(std::move(work));
        const auto aborts = spawned.abort_handle();
        co_await eddy::time::sleep(plan.after);
        aborts.abort();
        auto done = co_await std::move(spawned);
        if (done) co_return std::optional<T>(*std::move(done));
        if (!done.error().is_cancelled()) done.error().rethrow();
        co_return std::optional<T>();
    }
    case kind::polls: {
        auto done = co_await limited_polls<T>(std::move(work), plan.polls);
        co_return done;
    }
    }
    co_return std::optional<T>();
}

}  // namespace soak
