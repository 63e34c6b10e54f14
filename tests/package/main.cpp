// SPDX-License-Identifier: MIT
// An outside program: the includes that a user needs, and enough work to need the library itself.
#include <eddy/prelude.hpp>

eddy::task<int> answer() { co_return 42; }

int main() { return eddy::run(answer()) == 42 ? 0 : 1; }
