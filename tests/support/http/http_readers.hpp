// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <expected>
#include <span>
#include <stdexcept>
#include <system_error>
#include <utility>

#include <eddy/future/future.hpp>
#include <eddy/result.hpp>

// Readers for bodies of HTTP messages that never end, or end too early.

namespace support {

/// A reader that waits without an end.
struct silent_reader {
    eddy::poll_result<eddy::result<std::size_t>> poll_read(eddy::context&, std::span<std::byte>) {
        return eddy::not_ready;
    }
};

/// A reader that gives ten bytes, then waits, and throws once `fails` is set.
class throwing_reader {
public:
    explicit throwing_reader(const bool& fails) noexcept : fails_(fails) {}
    eddy::poll_result<eddy::result<std::size_t>> poll_read(eddy::context&, std::span<std::byte> into) {
        if (fails_) throw std::runtime_error("broken");
        if (std::exchange(has_read_, true)) return eddy::not_ready;
        std::ranges::fill(into.first(10), std::byte{'x'});
        return eddy::ok(std::size_t{10});
    }

private:
    const bool& fails_;
    bool has_read_ = false;
};

/// A reader that gives ten bytes and then fails.
class failing_reader {
public:
    eddy::poll_result<eddy::result<std::size_t>> poll_read(eddy::context&, std::span<std::byte> into) {
        if (std::exchange(has_read_, true))
            return eddy::result<std::size_t>(std::unexpect, std::make_error_code(std::errc::io_error));
        std::ranges::fill(into.first(10), std::byte{'x'});
        return eddy::ok(std::size_t{10});
    }

private:
    bool has_read_ = false;
};

}  // namespace support
