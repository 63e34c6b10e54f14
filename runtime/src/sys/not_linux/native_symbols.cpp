// SPDX-License-Identifier: MIT
#include "sys/native_symbols.hpp"

namespace eddy::sys {

class native_symbols::table {};
struct native_symbols::mapping {};

native_symbols::native_symbols() = default;
native_symbols::~native_symbols() = default;
native_symbols::place native_symbols::at(std::uintptr_t instruction) {
    return {.function = {}, .module = {}, .offset = instruction};
}

}  // namespace eddy::sys
