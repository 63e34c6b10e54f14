// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "host.hpp"
#include "plan.hpp"
#include "server.hpp"

namespace soak {

/// Returns the number of open descriptors of this process.
[[nodiscard]] std::size_t count_descriptors();

/// Ends the servers and their host in this way. After a graceful end, no task may be left.
void stop_servers(servers& all, host& on, stop_kind how);

/// Reports descriptors and operations that are left at the end of an episode.
void check_leftovers(std::size_t descriptors_before);

/// Runs an episode. `server_arguments` start its servers in another process.
void run_episode(const episode& plan, const std::vector<std::string>& server_arguments);

}  // namespace soak
