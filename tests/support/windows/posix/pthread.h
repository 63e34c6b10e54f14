// SPDX-License-Identifier: MIT
#pragma once
#include_next <pthread.h>
#include "../posix_more.hpp"
