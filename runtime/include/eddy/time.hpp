// SPDX-License-Identifier: MIT
#pragma once

// Umbrella header for time.

#include <eddy/time/backoff.hpp>
#include <eddy/time/clock.hpp>
#include <eddy/time/delay_queue.hpp>
#include <eddy/time/interval.hpp>
#include <eddy/time/sleep.hpp>
#include <eddy/time/timeout.hpp>
#include <eddy/time/try_timeout.hpp>
