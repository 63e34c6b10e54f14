// SPDX-License-Identifier: MIT
#pragma once

namespace support {

/// Skips the tests in the list of skipped.cpp, with the reason that it states.
void skip_tests_of_other_systems();

}  // namespace support
