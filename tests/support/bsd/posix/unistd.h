// SPDX-License-Identifier: MIT
#pragma once
#pragma clang system_header
#include_next <unistd.h>
#include "../posix.hpp"
