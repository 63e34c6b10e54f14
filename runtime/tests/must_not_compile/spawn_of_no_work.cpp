// expect-error: static assertion failed
// expect-error: eddy: spawn takes a future, or a callable (of core_handle& or of nothing) that returns one
#include <eddy/runtime/core.hpp>

int main() {
    eddy::core loop;
#ifdef EDDY_CONTROL
    loop.handle().spawn([] {});
#else
    loop.handle().spawn([](int) {});
#endif
}
