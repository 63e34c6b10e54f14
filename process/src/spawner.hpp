// SPDX-License-Identifier: MIT
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <eddy/process/child.hpp>
#include <eddy/process/command.hpp>
#include <eddy/process/error.hpp>
#include <eddy/sync/oneshot.hpp>

namespace eddy::process::detail {

/// Where a started process goes. If the receiver is gone, the child object is destroyed, which kills the process.
using started_sender = sync::oneshot<result<child>>::sender;

/// Starts a process on a spawn thread, with these environment variables: that thread must not read the variables of
/// this program, which the caller may change. It is not started if the receiver is gone before its turn.
/// Returns an error if there is no such thread and none can be started.
///
/// One process after another is started: until a process executes its program, it has copies of all descriptors, among
/// them the descriptors of a file that was written before, which is then busy (ETXTBSY) if it is a program. A start
/// that lasts for 50 ms, because a file system does not answer, does not stop the others: another thread makes them. Up
/// to 32 may last so long at the same time.
[[nodiscard]] std::optional<error> start_on_spawn_thread(command what, std::vector<std::string> environment,
                                                         started_sender to);

}  // namespace eddy::process::detail
