// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

#include "explore/operations.hpp"

namespace explore::detail {

/// What one step of an execution did.
struct event_record {
    unsigned thread;
    const char* what;    ///< "load", "lock", ...
    std::string object;  ///< empty if none
    bool has_order = false;
    std::memory_order order{};
    bool has_value = false;
    std::uint64_t value = 0;            ///< that was read or written
    const char* named_value = nullptr;  ///< the name of what it points to
    std::string remark;
    std::vector<const void*> code;  ///< return addresses, innermost first
};

/// The events as a table, with the lines of source where they happened (by addr2line, if there is one).
[[nodiscard]] std::string render(const std::vector<event_record>& events);

/// The place of a code address in the program's own source: "inbound_list.hpp:34". Empty if not known.
[[nodiscard]] std::string place_of(const std::vector<const void*>& code);

}  // namespace explore::detail
