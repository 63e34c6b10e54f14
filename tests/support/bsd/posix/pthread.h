// SPDX-License-Identifier: MIT
#pragma once
#pragma clang system_header
#include_next <pthread.h>
#include "../posix.hpp"
