// SPDX-License-Identifier: MIT
// A user's program: the includes that a user needs, and enough code to require the library itself.
#include <eddy/prelude.hpp>

eddy::task<int> answer() { co_return 42; }

int main() { return eddy::run(answer()) == 42 ? 0 : 1; }
