// SPDX-License-Identifier: MIT
// Runs a program in a process::terminal, for terminal_programs.py: types the standard input, and prints what the
// terminal shows. Ends with the code of the program.
#include <eddy/eddy.hpp>
#include <eddy/process.hpp>

#include <cstdio>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace {

namespace io = eddy::io;
namespace process = eddy::process;
using eddy::result;
using eddy::task;
using eddy::try_;

task<result<void>> type_input(process::terminal& into) {
    io::standard_input keys;
    co_await try_(io::copy(keys, into));
    co_return co_await eddy::pending<result<void>>();
}

task<result<void>> print_output(process::terminal& from) {
    io::standard_output shown;
    std::vector<char> buffer(4096);
    for (;;) {
        const auto count = co_await try_(from.read(buffer));
        if (count == 0) co_return eddy::ok();
        co_await try_(io::write_all(shown, std::string_view(buffer.data(), count)));
        co_await try_(io::flush(shown));
    }
}

task<result<int>> run_in_terminal(process::command program) {
    auto screen = co_await try_(process::terminal::open());
    const auto child = co_await try_(screen.spawn(std::move(program)));
    co_await try_(eddy::race(print_output(screen), type_input(screen)));
    const auto status = co_await try_(child.wait());
    co_return status.code().value_or(255);
}

}  // namespace

int main(int argc, char** argv) {
    if (argc < 2) return 2;
    process::command program(argv[1]);
    program.args(std::vector<std::string>(argv + 2, argv + argc));
    const auto code = eddy::core().run(run_in_terminal(std::move(program)));
    if (!code) std::fprintf(stderr, "in_terminal: %s\n", code.error().message().c_str());
    return code.value_or(255);
}
