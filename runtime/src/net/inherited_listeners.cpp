// SPDX-License-Identifier: MIT
#include <eddy/net/inherited_listeners.hpp>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <system_error>

#include "sys/syscall.hpp"
#include "sys/this_process.hpp"

namespace eddy::net {
namespace {

constexpr int first_inherited = 3;
constexpr std::uint64_t most_inherited = 1U << 20;  // more than the system gives a process

/// Takes the first name off a list with colons.
std::string_view take_name(std::string_view& names) noexcept {
    const std::string_view first = names.substr(0, names.find(':'));
    names.remove_prefix(std::min(first.size() + 1, names.size()));
    return first.empty() ? "unknown" : first;
}

/// A process inherits the variables of the one that started it. They are meant for the process that has this number, or
/// whose parent has: process::hand_over() cannot know the number of the process that it starts.
bool are_for_this_process() noexcept {
    return sys::number_in_environment("LISTEN_PID") == sys::process_id() ||
           sys::number_in_environment("EDDY_PREDECESSOR") == sys::parent_process_id();
}

}  // namespace

result<std::vector<inherited_listener>> inherited_listeners() {
    std::vector<inherited_listener> found;
    if (!are_for_this_process()) return found;
    const auto count = sys::number_in_environment("LISTEN_FDS");
    if (!count || *count > most_inherited) return std::unexpected(std::make_error_code(std::errc::invalid_argument));
    static std::atomic<bool> taken{false};
    if (taken.exchange(true, std::memory_order_relaxed)) return found;  // relaxed: the flag publishes nothing
    std::string_view names = sys::unchecked_environment("LISTEN_FDNAMES");
    for (int fd = first_inherited; found.size() != *count; ++fd) {
        if (const auto prepared = sys::prepare_inherited(fd); !prepared) return std::unexpected(prepared.error());
        found.push_back(inherited_listener(take_name(names), fd));
    }
    // Those of process::inherited_bytes(), which may be secret: processes that this one starts must not have them, also
    // if this program never reads them.
    const auto bytes = sys::number_in_environment("EDDY_INHERITED_BYTES");
    if (bytes && *bytes >= first_inherited && *bytes < most_inherited)
        static_cast<void>(sys::prepare_inherited(static_cast<int>(*bytes)));
    return found;
}

}  // namespace eddy::net
