// SPDX-License-Identifier: MIT
#include "capture.hpp"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <system_error>
#include <utility>
#include <variant>
#include <vector>

#include <eddy/future/join.hpp>
#include <eddy/future/poll_fn.hpp>
#include <eddy/future/select.hpp>
#include <eddy/io/read.hpp>
#include <eddy/io/write_all.hpp>
#include <eddy/time/sleep.hpp>
#include <eddy/time/timeout.hpp>

#include "sys/pipe_ends.hpp"

namespace eddy::process::detail {
namespace {

using optional_receiver = std::optional<pipe_receiver>;

/// The first bytes of a stream, and its name in errors.
class kept_text {
public:
    kept_text(std::string& text, std::size_t most, bool& is_cut, const std::string& program, const char* name) noexcept
        : text_(text), most_(most), is_cut_(is_cut), program_(program), name_(name) {}

    void add(std::span<const std::byte> bytes) {
        const auto kept = std::min(bytes.size(), most_ - text_.size());
        // SAFETY: char may alias all objects.
        text_.append(reinterpret_cast<const char*>(bytes.data()), kept);
        if (kept < bytes.size()) is_cut_ = true;
    }
    [[nodiscard]] error fail(std::error_code code) const { return {code, program_, name_}; }

private:
    std::string& text_;
    const std::size_t most_;
    bool& is_cut_;
    const std::string& program_;
    const char* const name_;
};

constexpr std::size_t read_size = 64 * 1024;

task<result<void>> read_all(optional_receiver& from, kept_text& into) {
    if (!from) co_return {};
    std::vector<std::byte> buffer(read_size);
    for (;;) {
        const auto count = co_await io::read(*from, buffer);
        if (!count) co_return std::unexpected(into.fail(count.error()));
        if (*count == 0) break;
        into.add(std::span(buffer).first(*count));
    }
    from.reset();
    co_return {};
}

/// Reads what is in the pipe now: all that a process has written that has ended. Returns whether this is the end of the
/// stream.
task<result<bool>> read_rest(optional_receiver& from, kept_text& into) {
    if (!from) co_return true;
    const auto size = eddy::sys::pipe_size(*from);
    if (!size) co_return std::unexpected(into.fail(size.error()));
    std::vector<std::byte> buffer(read_size);
    // More than the size of the pipe was written after the end of the process.
    for (std::size_t sum = 0; sum < *size;) {
        auto read = eddy::poll_fn([&](context& cx) { return eddy::sys::poll_read_now(*from, cx, buffer); });
        const auto count = co_await std::move(read);
        if (!count && count.error() == std::errc::operation_would_block) co_return false;
        if (!count) co_return std::unexpected(into.fail(count.error()));
        if (*count == 0) co_return true;
        into.add(std::span(buffer).first(*count));
        sum += *count;
    }
    co_return false;
}

/// Writes the input, and closes the pipe.
task<result<void>> write_input(captured_processes& of, const std::optional<std::string>& input) {
    if (of.in && input) {
        const auto written = co_await io::write_all(*of.in, *input);
        // The process may close its end before it has read all.
        if (!written && written.error() != std::errc::broken_pipe) {
            co_return std::unexpected(error(written.error(), of.first_program, "standard input"));
        }
    }
    of.in.reset();
    co_return {};
}

task<void> wait_for_all(const std::vector<child>& all) {
    for (const auto& each : all) static_cast<void>(co_await each.wait());
}

task<result<void>> wait_or_kill(const std::vector<child>& all, const std::optional<std::chrono::nanoseconds>& limit,
                                bool& has_timed_out) {
    if (limit) {
        const auto ended = co_await time::timeout(*limit, wait_for_all(all));
        if (ended) co_return {};
        has_timed_out = true;
        for (const auto& each : all) {
            // A process that cannot be killed may never end.
            if (auto killed = each.kill(); !killed) co_return killed;
        }
    }
    co_await wait_for_all(all);
    co_return {};
}

task<void> give_up(const std::vector<child>& all, std::chrono::nanoseconds delay) {
    co_await wait_for_all(all);
    co_await time::sleep(delay);
}

}  // namespace

task<result<captured>> capture(captured_processes& from, const run_options& options) {
    captured written;
    kept_text out(written.out, options.max_output(), written.is_out_cut, from.last_program, "standard output");
    kept_text err(written.error, options.max_error(), written.is_error_cut, from.first_program, "standard error");
    auto first = co_await eddy::select_biased(
        eddy::try_join(write_input(from, options.input()), read_all(from.out, out), read_all(from.err, err),
                       wait_or_kill(from.all, options.timeout(), written.has_timed_out)),
        give_up(from.all, options.wait_delay()));
    if (first.index() == 0) {
        auto& moved = std::get<0>(first);
        if (!moved) co_return std::unexpected(std::move(moved).error());
    }
    auto is_out_complete = co_await read_rest(from.out, out);
    if (!is_out_complete) co_return std::unexpected(std::move(is_out_complete).error());
    auto is_err_complete = co_await read_rest(from.err, err);
    if (!is_err_complete) co_return std::unexpected(std::move(is_err_complete).error());
    written.has_open_output = !*is_out_complete || !*is_err_complete;
    co_return written;
}

}  // namespace eddy::process::detail
