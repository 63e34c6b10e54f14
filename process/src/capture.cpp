// SPDX-License-Identifier: MIT
#include "capture.hpp"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <eddy/future/join.hpp>
#include <eddy/future/select.hpp>
#include <eddy/io/write_all.hpp>
#include <eddy/time/sleep.hpp>
#include <eddy/time/timeout.hpp>

#include "sys/processes.hpp"

namespace eddy::process::detail {
namespace {

using optional_receiver = std::optional<net::pipe::receiver>;

/// The begin of a stream.
class kept_text {
public:
    kept_text(std::string& text, std::size_t most, bool& is_cut) noexcept : text_(text), most_(most), is_cut_(is_cut) {}

    void add(std::span<const std::byte> bytes) {
        const auto kept = std::min(bytes.size(), most_ - text_.size());
        // SAFETY: char may alias all objects.
        text_.append(reinterpret_cast<const char*>(bytes.data()), kept);
        if (kept < bytes.size()) is_cut_ = true;
    }

private:
    std::string& text_;
    const std::size_t most_;
    bool& is_cut_;
};

constexpr std::size_t read_size = 64 * 1024;

task<void> read_all(optional_receiver& from, kept_text& into) {
    if (!from) co_return;
    std::vector<std::byte> buffer(read_size);
    for (;;) {
        const auto count = co_await from->read(buffer);
        if (!count || *count == 0) break;
        into.add(std::span(buffer).first(*count));
    }
    from.reset();
}

/// Reads what is in the pipe now: all that a process has written that has ended. The reactor may not know it yet.
void read_rest(optional_receiver& from, kept_text& into) {
    constexpr std::size_t largest_pipe = 1024 * 1024;  // of an unprivileged process
    std::vector<std::byte> buffer(read_size);
    for (std::size_t sum = 0; from && sum < largest_pipe;) {
        const auto count = eddy::sys::read_now(from->native_handle(), buffer);
        if (!count || *count == 0) break;
        into.add(std::span(buffer).first(*count));
        sum += *count;
    }
}

/// Writes the input, and closes the pipe. The only error is that the process has closed its end.
task<void> write_input(std::optional<net::pipe::sender>& to, const std::optional<std::string>& input) {
    if (to && input) static_cast<void>(co_await io::write_all(*to, *input));
    to.reset();
}

task<void> wait_for_all(const std::vector<child>& all) {
    for (const auto& each : all) static_cast<void>(co_await each.wait());
}

task<void> wait_or_kill(captured_processes& of, const std::optional<std::chrono::nanoseconds>& limit,
                        bool& has_timed_out) {
    if (limit) {
        const auto ended = co_await time::timeout(*limit, wait_for_all(of.all));
        if (ended) co_return;
        has_timed_out = true;
        for (auto& each : of.all) each.kill();
    }
    co_await wait_for_all(of.all);
}

task<void> give_up(const std::vector<child>& all, std::chrono::nanoseconds delay) {
    co_await wait_for_all(all);
    co_await time::sleep(delay);
}

}  // namespace

task<captured> capture(captured_processes& from, const run_options& options) {
    captured written;
    kept_text out(written.out, options.max_output(), written.is_out_cut);
    kept_text error(written.error, options.max_error(), written.is_error_cut);
    const auto first = co_await eddy::select_biased(
        eddy::join(write_input(from.in, options.input()), read_all(from.out, out), read_all(from.error, error),
                   wait_or_kill(from, options.timeout(), written.has_timed_out)),
        give_up(from.all, options.wait_delay()));
    written.has_open_output = first.index() == 1;
    read_rest(from.out, out);
    read_rest(from.error, error);
    co_return written;
}

}  // namespace eddy::process::detail
