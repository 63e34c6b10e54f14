// and_then calls its function only if the output is a value and not an error. An int is never an error.
//
// expect-error: static assertion failed
// expect-error: eddy: and_then needs a future of a std::expected; `map` and `then` take any output
#include <eddy/future/ready.hpp>
#include <eddy/runtime/wait.hpp>

int main() {
#ifdef EDDY_CONTROL
    auto number = eddy::ready(eddy::ok(1));
#else
    auto number = eddy::ready(1);
#endif
    static_cast<void>(eddy::wait(std::move(number).and_then([](int i) { return i; })));
}
