// SPDX-License-Identifier: MIT
#pragma once

#include <functional>
#include <optional>
#include <type_traits>
#include <utility>

#include <eddy/error.hpp>
#include <eddy/future/detail/awaited_part.hpp>
#include <eddy/future/future.hpp>
#include <eddy/future/future_ops.hpp>
#include <eddy/sink/send.hpp>
#include <eddy/sink/sink_ops.hpp>
#include <eddy/stream/stream_ops.hpp>

namespace eddy::sinks {

/// A reference to a sink. forward() uses it for a sink that was passed as std::ref.
/// Thread safety: same as the sink.
/// Lifetime: the sink must outlive it.
template <class S>
class borrowed_sink : public sink_ops<borrowed_sink<S>> {
public:
    using error_type = typename S::error_type;

    /// Creates a reference to the sink `target`.
    explicit borrowed_sink(std::reference_wrapper<S> target) noexcept : target_(&target.get()) {}

    /// The sink functions call the referenced sink.
    poll_result<outcome_t<S>> poll_ready(context& cx) { return target_->poll_ready(cx); }
    template <class T>
    outcome_t<S> start_send(T&& item) {
        return target_->start_send(std::forward<T>(item));
    }
    poll_result<outcome_t<S>> poll_flush(context& cx) { return target_->poll_flush(cx); }
    poll_result<outcome_t<S>> poll_close(context& cx) { return target_->poll_close(cx); }

    static constexpr auto wait_shape() { return inspect::writes_to(&borrowed_sink::target_); }

private:
    S* target_;
};

}  // namespace eddy::sinks

namespace eddy::detail {

/// The type in which forward() stores a sink.
template <class S>
struct owned_sink : std::type_identity<S> {};
template <class S>
struct owned_sink<std::reference_wrapper<S>> : std::type_identity<sinks::borrowed_sink<S>> {};

/// Closes the sink of a forward() after the last item.
struct then_close {
    /// The name of the operation, for error messages.
    static constexpr const char* name = "forward";
    template <class S>
    static poll_result<sinks::outcome_t<S>> poll(S& into, context& cx) {
        return into.poll_close(cx);
    }
};

}  // namespace eddy::detail
