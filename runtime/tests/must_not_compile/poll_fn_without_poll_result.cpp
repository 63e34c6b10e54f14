// A function that returns the value itself could never be pending.
//
// expect-error: static assertion failed
// expect-error: eddy: the function given to poll_fn must return an eddy::poll_result<T>
#include <eddy/future/poll_fn.hpp>

int main() {
#ifdef EDDY_CONTROL
    static_cast<void>(eddy::poll_fn([](eddy::context&) { return eddy::poll_result<int>(1); }));
#else
    static_cast<void>(eddy::poll_fn([](eddy::context&) { return 1; }));
#endif
}
