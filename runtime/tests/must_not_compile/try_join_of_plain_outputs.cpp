// expect-error: static assertion failed
// expect-error: eddy: try_join takes futures of std::expected; use join
#include <eddy/future/join.hpp>
#include <eddy/future/ready.hpp>

int main() {
#ifdef EDDY_CONTROL
    static_cast<void>(eddy::try_join(eddy::ready(eddy::ok(1)), eddy::ready(eddy::ok())));
#else
    static_cast<void>(eddy::try_join(eddy::ready(1), eddy::ready()));
#endif
}
