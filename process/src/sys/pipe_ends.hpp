// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <span>
#include <utility>

#include <eddy/future/future.hpp>
#include <eddy/process/pipe_ends.hpp>
#include <eddy/result.hpp>

#include "sys/fd.hpp"

/// Pipes between this program and the processes that it starts. Errors come from the system call.
namespace eddy::sys {

/// The end that a task of this program uses, and the one that a process gets, which blocks.
template <class End>
struct pipe_to_process {
    End ours;
    unique_fd theirs;

    /// Takes ownership of both ends.
    pipe_to_process(End&& mine, unique_fd&& other) noexcept : ours(std::move(mine)), theirs(std::move(other)) {}
};

/// Creates a pipe in which this program writes, or reads.
[[nodiscard]] result<pipe_to_process<process::pipe_sender>> make_input_pipe();
[[nodiscard]] result<pipe_to_process<process::pipe_receiver>> make_output_pipe();
/// Creates a pipe between two processes. Returns the read end first.
[[nodiscard]] result<std::pair<unique_fd, unique_fd>> make_blocking_pipe() noexcept;

/// Returns how many bytes a pipe holds at most.
[[nodiscard]] result<std::size_t> pipe_size(const process::pipe_receiver& pipe) noexcept;
/// Reads what is in a pipe now. Returns 0 at its end.
/// Errors: operation_would_block.
[[nodiscard]] poll_result<result<std::size_t>> poll_read_now(process::pipe_receiver& from, context& cx,
                                                             std::span<std::byte> into);

}  // namespace eddy::sys
