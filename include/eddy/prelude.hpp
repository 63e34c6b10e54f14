// SPDX-License-Identifier: MIT
#pragma once

// The usual names with one include, and what programs need of the standard library beside them.

#include <array>
#include <chrono>
#include <cstddef>
#include <span>
#include <thread>
#include <utility>

#include <eddy/eddy.hpp>
