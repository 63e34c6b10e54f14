// SPDX-License-Identifier: MIT
// Writes an example of the flight recorder's file to standard output, for tests/clients/run_perfetto.sh.
#include <cstdio>
#include <string>

#include "example_recording.hpp"

int main() {
    const std::string file = example_recording::file_of(example_recording::whole);
    return std::fwrite(file.data(), 1, file.size(), stdout) == file.size() ? 0 : 1;
}
