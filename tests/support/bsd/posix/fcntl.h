// SPDX-License-Identifier: MIT
#pragma once
#pragma clang system_header
#include_next <fcntl.h>
#include "../posix.hpp"
