// SPDX-License-Identifier: MIT
#include <eddy/error.hpp>
#include <eddy/runtime/thread_builder.hpp>

#include <string>

#include "sys/affinity.hpp"

namespace eddy::detail {

void check_processors(const std::vector<unsigned>& processors, const char* setter, const std::source_location& where) {
    if (processors.empty()) throw misuse(std::string(setter) + " needs at least one processor", where);
    const auto before = sys::processors_of_this_thread();
    if (!before) return;  // build() returns the error
    std::string refused;
    for (const unsigned each : processors) {
        // Only the attempt tells what the system permits: a process may leave the affinity that it was started with,
        // but not its cpuset(7).
        if (!sys::run_this_thread_on({&each, 1})) refused += ' ' + std::to_string(each);
    }
    static_cast<void>(sys::run_this_thread_on(*before));
    if (refused.empty()) return;
    throw misuse(std::string(setter) + ": these processors do not exist, or this process may not use them:" + refused,
                 where);
}

}  // namespace eddy::detail
