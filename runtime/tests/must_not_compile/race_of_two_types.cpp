// expect-error: static assertion failed
// expect-error: eddy: the futures of a race must have the same output type; use select
#include <eddy/future/ready.hpp>
#include <eddy/future/select.hpp>

int main() {
#ifdef EDDY_CONTROL
    static_cast<void>(eddy::race(eddy::ready(1), eddy::ready(2)));
#else
    static_cast<void>(eddy::race(eddy::ready(1), eddy::ready('2')));
#endif
}
