// SPDX-License-Identifier: MIT
#pragma once

#include <utility>

namespace eddy::detail {

/// Empties a string or container, and frees its memory. clear(), and assignments such as `text = {}`, `text =
/// std::string()` and `list = {}`, keep the memory: they copy no elements into the old memory. So an idle connection
/// would keep the memory of its largest message. tools/check_memory.py finds such assignments.
template <class T>
void free_memory(T& of) noexcept {
    T former;
    std::swap(former, of);
}

}  // namespace eddy::detail
