// SPDX-License-Identifier: MIT
// A user's program: the includes that a user needs, and enough code to need the library when it is linked.
#include <eddy/prelude.hpp>

eddy::task<int> answer() { co_return 42; }

int main() { return eddy::run(answer()) == 42 ? 0 : 1; }
