// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <utility>

#include <eddy/error.hpp>
#include <eddy/future.hpp>
#include <eddy/future_ops.hpp>

namespace eddy::io {

/// The future of one of eddy::io's algorithms. `Op` says which: `output_type`, and `poll(context&)`.
/// Lifetime: borrows the reader or writer, and the buffers that it was given.
/// Thread safety: as any future. Cost: no allocation, unless the algorithm says so.
template <class Op>
class [[nodiscard("an operation does nothing until it is awaited")]] operation : public future_ops<operation<Op>> {
public:
    using output_type = typename Op::output_type;

    template <class... Args>
    explicit operation(std::in_place_t, Args&&... args) : op_(std::forward<Args>(args)...) {}

    poll_result<output_type> poll(context& cx) {
        if (has_ended_) eddy::detail::throw_has_ended("an I/O operation", cx.where());
        auto answer = op_.poll(cx);
        has_ended_ = answer.is_ready();
        return answer;
    }

    /// How many bytes have been moved so far, for who has given the operation a name: after an error, or before it is
    /// dropped.
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
