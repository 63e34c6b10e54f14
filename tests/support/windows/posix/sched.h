// SPDX-License-Identifier: MIT
#pragma once
#include_next <sched.h>
#include "../posix_more.hpp"
