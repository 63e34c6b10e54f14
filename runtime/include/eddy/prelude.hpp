// SPDX-License-Identifier: MIT
#pragma once

// Includes the whole library and the headers of the standard library that most programs use with it.

#include <eddy/detail/export.hpp>  // refuses unsuitable compilers

#include <array>
#include <chrono>
#include <cstddef>
#include <span>
#include <thread>
#include <utility>

#include <eddy/eddy.hpp>
