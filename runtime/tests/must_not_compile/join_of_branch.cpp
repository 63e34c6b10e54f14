// expect-error: static assertion failed
// expect-error: eddy: when() and otherwise() are branches of a select: this combinator waits for each future
#include <eddy/future/join.hpp>
#include <eddy/future/ready.hpp>
#include <eddy/future/select.hpp>

int main() {
#ifdef EDDY_CONTROL
    static_cast<void>(eddy::select(eddy::ready(1), eddy::when(true, eddy::ready(2))));
#else
    static_cast<void>(eddy::join(eddy::ready(1), eddy::when(true, eddy::ready(2))));
#endif
}
