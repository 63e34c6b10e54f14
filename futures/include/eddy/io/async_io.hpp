// SPDX-License-Identifier: MIT
#pragma once

#include <optional>
#include <system_error>
#include <type_traits>
#include <utility>

#include <eddy/future/future.hpp>
#include <eddy/future/future_ops.hpp>
#include <eddy/io/interest.hpp>
#include <eddy/result.hpp>

namespace eddy::detail {

/// Whether `T` is an eddy::result.
template <class T>
inline constexpr bool is_system_result = false;
template <class T>
inline constexpr bool is_system_result<result<T>> = true;

/// Returns whether `Operation` returns an eddy::result. Otherwise reports that with one static_assert.
template <class Operation, class... Args>
constexpr bool check_operation() {
    constexpr bool answers = is_system_result<std::invoke_result_t<Operation&, Args...>>;
    static_assert(answers, "eddy: a call on a descriptor must return an eddy::result<T>");
    return answers;
}

}  // namespace eddy::detail

namespace eddy::io {

/// Calls a function until its error is not operation_would_block: the future of async_fd::async_io() and
/// tcp_stream::async_io(). `Source::try_io()` makes one call. `Readiness` is the future that waits until another
/// call is worth making.
/// Errors: any error of the function; errc::runtime_shutdown.
/// Cancel safety: safe, if a call that would block has no effect.
/// Lifetime: the source must outlive the future. The future must not move while it waits.
template <class Source, class Readiness, class Operation>
class [[nodiscard("co_await it")]] async_io_future : public future_ops<async_io_future<Source, Readiness, Operation>> {
public:
    using output_type = decltype(std::declval<Source&>().try_io(std::declval<interest>(), std::declval<Operation&>()));

    /// Stores `operation`. Refers to `source`.
    template <class F>
    async_io_future(Source& source, interest wanted, F&& operation)
        : source_(&source), wanted_(wanted), operation_(std::forward<F>(operation)) {}

    poll_result<output_type> poll(context& cx) {
        for (;;) {
            // One budget unit per round: a closed descriptor stays ready, so a call that would block anyway could
            // repeat endlessly.
            if (!cx.consume_budget()) return not_ready;
            if (!readiness_) {
                auto answer = source_->try_io(wanted_, operation_);
                if (answer || answer.error() != std::errc::operation_would_block) return answer;
                readiness_.emplace(*source_, wanted_);
            }
            const auto ready = readiness_->poll(cx);
            if (!ready) {
                cx.refund_budget();
                return not_ready;
            }
            if (!*ready) return output_type(std::unexpect, ready->error());
            readiness_.reset();
        }
    }

    static constexpr auto wait_shape() { return inspect::waits_as(&async_io_future::readiness_); }

private:
    Source* source_;
    interest wanted_;
    Operation operation_;
    std::optional<Readiness> readiness_;
};

}  // namespace eddy::io
