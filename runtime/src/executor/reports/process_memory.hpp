// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <span>

#include "inspect/target_memory.hpp"
#include "sys/own_memory.hpp"

namespace eddy::detail {

/// The memory of this process, read by system calls, so that a wrong address is an error and no crash.
class process_memory final : public inspect::target_memory {
public:
    void read(std::span<inspect::piece> pieces) override {
        for (inspect::piece& one : pieces) {
            // SAFETY: only the system uses the address.
            const auto* const from = reinterpret_cast<const void*>(static_cast<std::uintptr_t>(one.from));  // NOLINT
            one.is_read = sys::copy_own_memory(from, one.into);
        }
    }
};

}  // namespace eddy::detail
