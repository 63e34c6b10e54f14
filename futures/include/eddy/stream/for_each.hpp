// SPDX-License-Identifier: MIT
#pragma once

#include <expected>
#include <optional>
#include <type_traits>
#include <utility>
#include <variant>

#include <eddy/future/detail/call.hpp>
#include <eddy/future/detail/stream_adaptor.hpp>
#include <eddy/future/future.hpp>
#include <eddy/future/try.hpp>
#include <eddy/result.hpp>
#include <eddy/stream/stream_ops.hpp>

namespace eddy {

/// The future that stream_ops::for_each() returns. It calls a function for each item, one after the other.
/// Cancel safety: dropping it destroys the stream and the future that runs; see stream_ops.
template <class S, class Fn>
class [[nodiscard("a future does nothing until it is awaited, spawned or run")]] for_each_future
    : public detail::stream_consumer<for_each_future<S, Fn>, S,
                                     std::expected<void, detail::item_error_t<detail::item_t<S>>>> {
    using base = typename for_each_future::stream_consumer;
    friend base;

    using item = detail::item_t<S>;
    using body = detail::running<detail::call_result_t<Fn&, detail::item_value_t<item>>>;
    using answer = typename body::output_type;
    static constexpr bool may_fail = detail::is_expected<answer>;
    static_assert(may_fail || std::is_same_v<answer, std::monostate>,
                  "eddy: the function of for_each returns nothing, a std::expected, or a future of either");

public:
    using output_type = typename base::output_type;
    /// Whether the future of the function supports graceful cancellation.
    static constexpr bool body_can_be_cancelled = body::can_be_cancelled;

    template <class G>
    for_each_future(S&& items, G&& f) : base(std::move(items)), f_(std::in_place, std::forward<G>(f)) {}

    static constexpr auto wait_shape() { return inspect::waits_as(&for_each_future::body_, &for_each_future::items_); }

private:
    static constexpr const char* name = "for_each";

    poll_result<output_type> advance(context& cx) {
        for (;;) {
            detail::budget_guard cost(cx);
            if (!body_) {
                auto next = this->items_->poll_next(cx);
                if (!next) return not_ready;
                if (!next->has_value()) return output_type();
                if constexpr (detail::is_expected<item>) {
                    if (!**next) return output_type(std::unexpect, std::move(**next).error());
                }
                start(**std::move(next));
            }
            auto ended = body_.poll(cx);
            if (!ended) return not_ready;
            if constexpr (may_fail) {
                if (!*ended)
                    return output_type(std::unexpect,
                                       convert_error<typename output_type::error_type>((*std::move(ended)).error()));
            }
            if (!cost.is_paid()) return not_ready;
        }
    }

    void start(item&& taken) {
        if constexpr (!detail::is_expected<item>) {
            body_.start(*f_, std::move(taken));
        } else if constexpr (std::is_void_v<typename item::value_type>) {
            body_.start(*f_);
        } else {
            body_.start(*f_, *std::move(taken));
        }
    }

    bool cancel_body(context& cx) { return body_.cancel(cx); }

    void end() noexcept {
        body_.end();
        f_.reset();
    }

    std::optional<Fn> f_;
    body body_;  // declared last: the body may refer to the captures of the function
};

}  // namespace eddy
