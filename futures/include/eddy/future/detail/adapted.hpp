// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <optional>
#include <type_traits>
#include <utility>
#include <variant>

#include <eddy/detail/false_warnings.hpp>
#include <eddy/error.hpp>
#include <eddy/future/detail/await_record.hpp>
#include <eddy/future/detail/call.hpp>
#include <eddy/future/detail/holds_closure.hpp>
#include <eddy/future/detail/owned.hpp>
#include <eddy/future/future.hpp>

// The future class behind and_then, map, map_err, or_else and then. A `Rule` supplies what differs between them:
//
//     name                    the adaptor's name in the text of a misuse error
//     runs_futures            whether a future that the function returns is polled as well
//     argument<In>            the type passed to the function for the future's output `In`; void if nothing is passed
//     output<In, Out>         the adaptor's output; `Out` is the output of the function, or of the future it returned
//     check<In, Fn>()         whether the function accepts the output; explains a mismatch with static_asserts
//     applies(in)             whether the function runs for this output; optional, always if absent
//     offer(in)               the argument for the function
//     pass<Output>(in)        the adaptor's output if the function does not run
//     settle<Output>(out)     the adaptor's output if the function has run

EDDY_BEGIN_FALSE_UNINITIALIZED
namespace eddy {
template <class Self>
class future_ops;  // includes this header
}  // namespace eddy

namespace eddy::detail {

/// Polls a future, calls a function with its output, and polls the future that the function returns, if `Rule` says so.
/// The first future is destroyed before the function is called.
/// Cancel safety: same as the two futures.
template <class Rule, class F, class Fn>
class [[nodiscard("a future does nothing until it is awaited, spawned or run")]] adapted
    : public future_ops<adapted<Rule, F, Fn>> {
    using input = output_t<F>;
    using argument = typename Rule::template argument<input>;
    using returned = call_result_t<Fn, argument>;
    static constexpr bool goes_on = Rule::runs_futures && future<returned>;
    using second = std::conditional_t<goes_on, returned, std::monostate>;
    using outcome = typename std::conditional_t<goes_on, outcome_of<returned>, std::type_identity<returned>>::type;

public:
    using output_type = typename Rule::template output<input, outcome>;

    template <class G>
    adapted(F&& inner, G&& f)
        : f_(std::in_place, std::forward<G>(f)), step_(std::in_place_index<0>, std::move(inner)) {}

    poll_result<output_type> poll(context& cx) {
        return detail::poll_then_end([&] { return this->advance(cx); }, [this]() noexcept { this->end(); });
    }

    friend auto awaited_objects(const adapted& me) noexcept { return awaited_objects_of(std::get_if<0>(&me.step_)); }

    static constexpr auto wait_shape() {
        constexpr auto first = inspect::alternative<F, 0>(&adapted::step_);
        if constexpr (goes_on) {
            return inspect::waits_as(first, inspect::alternative<second, 1>(&adapted::step_));
        } else {
            return inspect::waits_as(first);
        }
    }

    poll_result<void> poll_cancel(context& cx)
        requires(cancellable_future<F> || cancellable_future<second>)
    {
        if (!poll_cancel_child(std::get_if<0>(&step_), cx)) return not_ready;
        if (!poll_cancel_child(std::get_if<1>(&step_), cx)) return not_ready;
        end();
        return poll_result<void>::ready();
    }

private:
    poll_result<output_type> advance(context& cx) {
        if (auto* const first = std::get_if<0>(&step_)) {
            auto answer = first->poll(cx);
            if (!answer.is_ready()) return not_ready;
            stored_t<input> in = take_output(std::move(answer));
            // Destroyed before the function runs, which may need a resource that the future held (a lock, a permit).
            step_.template emplace<ended>();
            if constexpr (requires { Rule::applies(in); }) {
                if (!Rule::applies(in)) return Rule::template pass<output_type>(in);
            }
            if constexpr (goes_on) {
                step_.template emplace<1>(run_function(in));
            } else {
                return settled(run_function(in));
            }
        }
        if constexpr (goes_on) {
            if (auto* const next = std::get_if<1>(&step_)) {
                auto answer = next->poll(cx);
                if (!answer.is_ready()) return not_ready;
                return settled(take_output(std::move(answer)));
            }
        }
        throw_has_ended(Rule::name, cx.where());
    }

    stored_t<returned> run_function(stored_t<input>& in) {
        return call_stored<argument>(*std::move(f_), Rule::offer(in));
    }

    poll_result<output_type> settled(stored_t<outcome>&& out) {
        return poll_result<output_type>(Rule::template settle<output_type>(std::move(out)));
    }

    void end() noexcept {
        step_.template emplace<ended>();
        f_.reset();
    }

    static constexpr std::size_t ended = 2;
    // Declared before step_, so that it outlives it: a coroutine lambda uses the captures stored in f_.
    std::optional<Fn> f_;
    std::variant<F, second, std::monostate> step_;
};

/// Makes the future of a combinator, or a broken_future if a static_assert has rejected the arguments.
template <class Rule, class F, class Fn>
auto adapt(F&& inner, Fn&& f) {
    if constexpr (!check_futures<F>()) {
        return broken_future();
    } else if constexpr (!Rule::template check<output_t<owned_t<F>>, std::decay_t<Fn>>()) {
        return broken_future();
    } else {
        using result = adapted<Rule, owned_t<F>, kept_fn_t<Fn>>;
        return result(detail::own(std::forward<F>(inner)), std::forward<Fn>(f));
    }
}

}  // namespace eddy::detail
EDDY_END_FALSE_UNINITIALIZED
