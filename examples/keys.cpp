// SPDX-License-Identifier: MIT
// Shows the keys that are typed, and the size of the terminal when it changes. q ends it; the settings of the terminal
// are then as before, also after Ctrl-C of another program, `kill` and a crash.
//     $ ./keys
//     24 lines of 80
//     61
//     1b 5b 41
#include <eddy/prelude.hpp>
#include <eddy/process.hpp>

#include <array>
#include <cstddef>
#include <cstdio>
#include <span>
#include <string_view>

namespace {

namespace io = eddy::io;
namespace process = eddy::process;
using eddy::result;
using eddy::task;
using eddy::try_;

// docs: keys
task<result<void>> show_sizes() {
    auto sizes = co_await try_(process::own_sizes());
    while (const auto size = co_await sizes.next()) std::printf("%d lines of %d\r\n", size->rows, size->columns);
    co_return eddy::ok();
}

task<result<void>> show_keys() {
    const auto raw = co_await try_(process::raw_mode::begin());
    auto keys = io::standard_input();
    for (std::array<char, 64> buffer{};;) {
        const auto count = co_await try_(io::read(keys, std::as_writable_bytes(std::span(buffer))));
        const std::string_view typed(buffer.data(), count);
        if (typed.empty() || typed == "q") co_return eddy::ok();
        for (const unsigned char each : typed) std::printf("%02x ", each);
        std::printf("\r\n");  // raw mode does not make a return of a line feed
        std::fflush(stdout);
    }
}
// docs: end

}  // namespace

int main() { return eddy::run(eddy::race(show_sizes(), show_keys())); }
