// SPDX-License-Identifier: MIT
#pragma once

#include <utility>

namespace support {

/// Move-assigns an object to itself, in a form that compilers do not warn about.
template <class T>
void assign_to_itself(T& object) {
    T& same = object;
    object = std::move(same);
}

}  // namespace support
