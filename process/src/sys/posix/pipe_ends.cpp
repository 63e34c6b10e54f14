// SPDX-License-Identifier: MIT
#include "sys/pipe_ends.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <utility>

#include "sys/processes.hpp"
#include "sys/syscall.hpp"

namespace eddy::sys {

result<std::pair<unique_fd, unique_fd>> make_blocking_pipe() noexcept {
    std::array<int, 2> fds{};
#if defined(__APPLE__)
    // There is no pipe2(2). POSIX_SPAWN_CLOEXEC_DEFAULT closes the ends in the processes of this library.
    if (::pipe(fds.data()) != 0) return std::unexpected(last_error());
    for (const int each : fds) ::fcntl(each, F_SETFD, FD_CLOEXEC);
#else
    if (::pipe2(fds.data(), O_CLOEXEC) != 0) return std::unexpected(last_error());
#endif
    auto ends = std::pair(unique_fd(fds[0]), unique_fd(fds[1]));
    if (const auto moved = move_above_standard(ends.first); !moved) return std::unexpected(moved.error());
    if (const auto moved = move_above_standard(ends.second); !moved) return std::unexpected(moved.error());
    return ends;
}

namespace {

result<void> set_nonblocking(int fd) noexcept {
    const int flags = ::fcntl(fd, F_GETFL);
    return done_or_error(flags < 0 ? flags : ::fcntl(fd, F_SETFL, flags | O_NONBLOCK));
}

/// Makes the end that a task uses.
template <class End>
result<pipe_to_process<End>> use(unique_fd&& ours, unique_fd&& theirs) noexcept {
    if (const auto set = set_nonblocking(ours.get()); !set) return std::unexpected(set.error());
    auto end = End::from_native(ours.release());
    if (!end) return std::unexpected(end.error());
    return pipe_to_process<End>(*std::move(end), std::move(theirs));
}

}  // namespace

result<pipe_to_process<process::pipe_sender>> make_input_pipe() {
    auto ends = make_blocking_pipe();
    if (!ends) return std::unexpected(ends.error());
    return use<process::pipe_sender>(std::move(ends->second), std::move(ends->first));
}

result<pipe_to_process<process::pipe_receiver>> make_output_pipe() {
    auto ends = make_blocking_pipe();
    if (!ends) return std::unexpected(ends.error());
    return use<process::pipe_receiver>(std::move(ends->first), std::move(ends->second));
}

// By read(2) and not by the reactor, which may not know yet what is in the pipe.
poll_result<result<std::size_t>> poll_read_now(process::pipe_receiver& from, context&, std::span<std::byte> into) {
    return count_or_error(retry_interrupted([&] { return ::read(from.native_handle(), into.data(), into.size()); }));
}

}  // namespace eddy::sys
