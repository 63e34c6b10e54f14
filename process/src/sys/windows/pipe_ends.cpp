// SPDX-License-Identifier: MIT
#include "sys/pipe_ends.hpp"

#include <cstdint>
#include <random>
#include <string>
#include <utility>

#include <eddy/net/named_pipe.hpp>

#include "sys/this_process.hpp"
#include "sys/windows/handle.hpp"
#include "sys/windows/utf16.hpp"

// A task reads and writes by overlapped I/O, which anonymous pipes do not have. So these pipes have random names, and
// one instance: after the second end is open, no other process can open the name.

namespace eddy::sys {
namespace {

constexpr std::size_t size_of_pipe = 65'536;

std::string random_name() {
    std::random_device random;
    std::string name = R"(\\.\pipe\eddy.process.)" + std::to_string(process_id());
    for (int i = 0; i < 4; ++i) name += '.' + std::to_string(static_cast<std::uint32_t>(random()));
    return name;
}

result<pipe_to_process<net::named_pipe::server>> make_pipe_with(DWORD access_of_process) {
    const auto name = random_name();
    auto ours =
        net::named_pipe::server_options().first_instance(true).max_instances(1).buffer_size(size_of_pipe).create(name);
    if (!ours) return std::unexpected(ours.error());
    const HANDLE theirs = ::CreateFileW(wide_of(name).c_str(), access_of_process, 0, nullptr, OPEN_EXISTING,
                                        SECURITY_SQOS_PRESENT | SECURITY_IDENTIFICATION, nullptr);
    if (theirs == INVALID_HANDLE_VALUE) return std::unexpected(last_windows_error());
    return pipe_to_process<net::named_pipe::server>(*std::move(ours), own_handle(theirs));
}

}  // namespace

result<pipe_to_process<process::pipe_sender>> make_input_pipe() { return make_pipe_with(GENERIC_READ); }

result<pipe_to_process<process::pipe_receiver>> make_output_pipe() {
    return make_pipe_with(GENERIC_WRITE | FILE_READ_ATTRIBUTES);
}

result<std::pair<unique_fd, unique_fd>> make_blocking_pipe() noexcept {
    HANDLE read = nullptr;
    HANDLE write = nullptr;
    if (::CreatePipe(&read, &write, nullptr, size_of_pipe) == 0) return std::unexpected(last_windows_error());
    return std::pair(own_handle(read), own_handle(write));
}

// With what a read has taken from the pipe, for a task that was cancelled.
result<std::size_t> pipe_size(const process::pipe_receiver&) noexcept { return 2 * size_of_pipe; }

poll_result<result<std::size_t>> poll_read_now(process::pipe_receiver& from, context& cx, std::span<std::byte> into) {
    return from.poll_read_available(cx, into);
}

}  // namespace eddy::sys
