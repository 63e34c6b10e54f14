// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

#include "explore/operations.hpp"

namespace explore::detail {

/// One step of an execution.
struct event_record {
    unsigned thread;
    const char* what;    ///< "loads", "locks", ...
    std::string object;  ///< empty if none
    bool has_order = false;
    std::memory_order order{};
    bool has_value = false;
    std::uint64_t value = 0;            ///< the value read or written
    const char* named_value = nullptr;  ///< name of the object that the value points to
    std::string remark;
    std::vector<const void*> code;  ///< return addresses, innermost first
};

/// Returns the events as a table, with their source lines (found by addr2line, if it is installed).
[[nodiscard]] std::string render(const std::vector<event_record>& events);

/// Returns the source line of a code address, such as "inbound_list.hpp:34". Returns an empty string if it is unknown.
[[nodiscard]] std::string call_site_of(const std::vector<const void*>& code);

}  // namespace explore::detail
