// SPDX-License-Identifier: MIT
#pragma once

#include "explore/explore.hpp"

namespace explore {

/// The output of a model's task. It must be destroyed once.
struct output {
    tracked alive;
    int value = 0;

    explicit output(int given) : value(given) {}
};

}  // namespace explore
