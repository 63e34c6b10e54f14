// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <utility>

#include <eddy/detail/broken_future.hpp>
#include <eddy/error.hpp>
#include <eddy/future/future.hpp>
#include <eddy/future/future_ops.hpp>

namespace eddy::io {

/// The future of an algorithm of eddy::io. `Op` is the algorithm: it has `output_type` and `poll(context&)`.
/// Errors: throws `misuse` if it is polled after it was ready.
/// Cancel safety: stated by the function that returns it.
/// Thread safety: one thread at a time.
/// Lifetime: borrows the reader or writer and the buffers. They must outlive it.
/// Cost: no allocation, unless the function says otherwise.
template <class Op>
class [[nodiscard("an operation does nothing until it is awaited")]] operation : public future_ops<operation<Op>> {
public:
    using output_type = typename Op::output_type;

    /// Constructs the algorithm from `args`.
    template <class... Args>
    explicit operation(std::in_place_t, Args&&... args) : op_(std::forward<Args>(args)...) {}

    /// Implements future.
    poll_result<output_type> poll(context& cx) {
        if (has_ended_) eddy::detail::throw_has_ended("an I/O operation", cx.where());
        auto answer = op_.poll(cx);
        has_ended_ = answer.is_ready();
        return answer;
    }

    /// Returns the number of bytes that were moved so far. To call it after an error, or before the operation is
    /// dropped, give the operation a name.
    [[nodiscard]] std::size_t count() const noexcept
        requires requires(const Op& op) { op.count(); }
    {
        return op_.count();
    }

private:
    Op op_;
    bool has_ended_ = false;
};

}  // namespace eddy::io

namespace eddy::detail {

/// Returns the future of the algorithm `Op`, made from `args`; a placeholder if `Fits` is false. See make_if().
template <bool Fits, class Op, class... Args>
auto make_operation(Args&&... args) {
    return make_if<Fits, io::operation<Op>>(std::in_place, std::forward<Args>(args)...);
}

}  // namespace eddy::detail
